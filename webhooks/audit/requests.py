"""Make an operation of each request that changes something, and see to it that the operation has an entry.

Triggers write the entries of what is changed. A request of the REST API that succeeded without changing an audited row,
such as a test delivery, gets an entry of its own afterwards; a page of the admin says what it did (``record_about``,
``report``), since one that only leads to another does nothing.
"""

from collections.abc import Callable
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, ResolverMatch, resolve

from webhooks.audit.entries import record_end
from webhooks.audit.models import AuditEntry
from webhooks.kit.audit.operation import Operation, running

READING = ("GET", "HEAD", "OPTIONS")
MESSAGES = ("/in/", "/inspect/")  # what others send is no operation


class Audit:
    """Middleware that runs requests which change something as operations. It stands after the authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Respond; a request that changes something is an operation."""
        if request.method in READING or request.path_info.startswith(MESSAGES):
            return self.get_response(request)
        with running(operation_of(request)) as operation:
            response = self.get_response(request)
            if _is_done(operation, response):
                record_end(operation)
        return response


def operation_of(request: HttpRequest) -> Operation:
    """Return the operation of a request. The API names its actor when the key has been checked."""
    origin = "api" if request.path_info.startswith("/api/") else "admin"
    operation = Operation(
        origin=origin,
        name=f"{request.method} {_route(request)}",
        address=str(request.META.get("REMOTE_ADDR", "")),
        request_id=str(structlog.contextvars.get_contextvars().get("request_id", "")),
    )
    user: Any = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        operation.actor_type, operation.actor_id = AuditEntry.Actor.USER, str(user.pk)
        operation.actor_name = user.get_username()
    return operation


def _route(request: HttpRequest) -> str:
    try:
        match: ResolverMatch = resolve(request.path_info)
    except Resolver404:
        return request.path_info
    return match.view_name or match.route


def _is_done(operation: Operation, response: HttpResponse) -> bool:
    """Return whether the request did something: a page that is shown again, with errors or to confirm, did not."""
    if not operation.is_audited or response.status_code >= 400 or operation.actor_type == AuditEntry.Actor.ANONYMOUS:
        return False
    return operation.origin == "api" or operation.changed is not None or response.status_code >= 300
