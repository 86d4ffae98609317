"""Map every URL of the platform to its view."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.templatetags.static import static
from django.urls import URLPattern, include, path
from django.views.generic import RedirectView

from config.access import second_factor
from config.api import description, problem_pages
from config.ops import landing, login, probes
from config.status import views as status
from delivery.api.alerts.confirmation import confirmation_urlpatterns
from delivery.api.urls import urlpatterns as delivery_urlpatterns
from delivery.portal.urls import portal_urlpatterns
from subscriptions.api.event_types.urls import catalogue_urlpatterns
from subscriptions.api.inspectors.urls import inspector_urlpatterns
from subscriptions.api.urls import urlpatterns as subscriptions_urlpatterns
from webhooks.api.urls import api_urlpatterns, inbound_urlpatterns


def identity_provider_urls() -> list[URLPattern]:
    """Return the routes of the sign-in by an identity provider; none without the extra ``oidc``."""
    if find_spec("mozilla_django_oidc") is None:
        return []
    return [
        path("admin/sign-in/", _identity_provider("start"), name="oidc_authentication_init"),
        path("admin/sign-in/callback/", _identity_provider("callback"), name="oidc_authentication_callback"),
    ]


def _identity_provider(name: str) -> Callable[[HttpRequest], HttpResponseBase]:
    """Return a view whose module, and the libraries of its extra, are loaded when it is used."""

    def view(request: HttpRequest) -> HttpResponseBase:
        found: HttpResponseBase = getattr(import_module("config.access.identity_provider"), name)(request)
        return found

    return view


api = [
    path("", description.links, name="api"),
    *delivery_urlpatterns,  # first: some of its paths lie below a resource of subscriptions
    *subscriptions_urlpatterns,
    *api_urlpatterns,
    path("status/", status.Status.as_view(), name="status"),
    path("schema/", description.schema, name="schema"),
    path("docs/", description.docs, name="docs"),
]

urlpatterns = [
    path("", landing.page, name="landing"),
    path("api/v1/", include(api)),
    *inbound_urlpatterns,
    *catalogue_urlpatterns,
    *inspector_urlpatterns,
    *confirmation_urlpatterns,
    *portal_urlpatterns,
    path("problems/", problem_pages.problems, name="problems"),
    path("problems/<str:code>/", problem_pages.problem, name="problem"),
    path("admin/login/", login.limited_login),  # before the admin's own
    *identity_provider_urls(),
    path("admin/second-factor/", second_factor.view, name="second-factor"),
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url=static("config/favicon.svg"))),
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("status/", status.status_probe, name="status-probe"),
    path("metrics", probes.metrics, name="metrics"),
]

handler400 = "subscriptions.api.conventions.errors.bad_request"
handler403 = "config.web.pages.error_pages.forbidden"
handler404 = "config.web.pages.error_pages.not_found"
handler500 = "config.web.pages.error_pages.failed"
