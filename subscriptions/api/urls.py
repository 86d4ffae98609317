"""The addresses of the management side, below /api/v1/. ``{ref}`` is an id or, where there is one, a uid."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from subscriptions.api import views
from subscriptions.api.event_types.urls import urlpatterns as event_type_urlpatterns

router = SimpleRouter(use_regex_path=False)
router.register("tenants", views.Tenants, "tenant")
router.register("plans", views.Plans, "plan")
router.register("keys", views.Keys, "key")
router.register("endpoints", views.Endpoints, "endpoint")
router.register("subscriptions", views.Subscriptions, "subscription")

urlpatterns = [
    *router.urls,
    *event_type_urlpatterns,
    path("keys/<str:ref>/rotations/", views.KeyRotations.as_view(), name="key-rotations"),
    path("endpoints/<str:ref>/secrets/", views.Secrets.as_view(), name="endpoint-secrets"),
    path("endpoints/<str:ref>/keys/", views.PublicKeys.as_view(), name="endpoint-keys"),
]
