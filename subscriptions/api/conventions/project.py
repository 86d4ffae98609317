"""Settings of a project that serves the REST API; the platform has the same.

    from subscriptions.api.conventions import project

    REST_FRAMEWORK = project.REST_FRAMEWORK
    MIDDLEWARE += project.MIDDLEWARE

Imported by the settings of the project, so before Django is set up: it imports nothing.
"""

from typing import Any

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["subscriptions.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["subscriptions.api.authentication.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["subscriptions.api.conventions.errors.JsonBody"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "webhooks.kit.rest.pages.CursorPages",
    "EXCEPTION_HANDLER": "subscriptions.api.conventions.errors.problem",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,  # ?format= is a parameter like any other: unknown, unless the view declares it
}
MIDDLEWARE = [
    "webhooks.audit.requests.Audit",
    "subscriptions.api.conventions.conditional_requests.ConditionalRequests",
    "subscriptions.api.conventions.expensive_requests.ExpensiveRequests",
    "subscriptions.api.conventions.idempotency.Idempotency",  # innermost: its transaction contains the view only
]
"""The last of the middleware. All but the first, which records who changes something, act below ``/api/``."""
