"""Route the provider's management, below /api/v1/. ``{ref}`` is an id or, where there is one, a uid."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from subscriptions.api import endpoint_secrets, endpoints, keys, plans, subscriptions, tenants
from subscriptions.api.event_types.urls import urlpatterns as event_type_urlpatterns

router = SimpleRouter(use_regex_path=False)
router.register("tenants", tenants.Tenants, "tenant")
router.register("plans", plans.Plans, "plan")
router.register("keys", keys.Keys, "key")
router.register("endpoints", endpoints.Endpoints, "endpoint")
router.register("subscriptions", subscriptions.Subscriptions, "subscription")

urlpatterns = [
    *router.urls,
    *event_type_urlpatterns,
    path("keys/<str:ref>/rotate/", keys.KeyRotation.as_view(), name="key-rotation"),
    path("endpoints/<str:ref>/secrets/", endpoint_secrets.EndpointSecrets.as_view(), name="endpoint-secrets"),
    path(
        "endpoints/<str:ref>/secrets/<str:id>/",
        endpoint_secrets.EndpointSecretDetail.as_view(),
        name="endpoint-secret",
    ),
    path("endpoints/<str:ref>/keys/", endpoint_secrets.EndpointPublicKeys.as_view(), name="endpoint-keys"),
]
