"""Map every URL of the platform to its view."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from config.ops import probes
from delivery.api.urls import urlpatterns as delivery_urlpatterns
from subscriptions.api.event_types.urls import catalogue_urlpatterns
from subscriptions.api.urls import urlpatterns as subscriptions_urlpatterns
from webhooks.api.urls import api_urlpatterns, inbound_urlpatterns

api = [
    *delivery_urlpatterns,  # first: some of its paths lie below a resource of subscriptions
    *subscriptions_urlpatterns,
    *api_urlpatterns,
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]

urlpatterns = [
    path("", TemplateView.as_view(template_name="config/landing.html"), name="landing"),
    path("api/v1/", include(api)),
    *inbound_urlpatterns,
    *catalogue_urlpatterns,
    path("admin/", admin.site.urls),
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", probes.metrics, name="metrics"),
]

handler400 = "config.api.errors.bad_request"
handler404 = "config.api.errors.not_found"
handler500 = "config.api.errors.failed"
