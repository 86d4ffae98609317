"""Give every request an id, which its response and its log lines have, so that a report can name the request."""

import itertools
import os
import secrets
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from webhooks.kit.tracing.context import incoming, valid

HEADER = "Waypost-Request-Id"
ENVIRON = "waypost.request_id"  # where the server passes the id on to Django


class _Ids:
    """Make ids: a random text of the process and a number, so that they are unique on all machines."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin with a new random text; needed in every process that is forked."""
        self._prefix, self._numbers = f"req_{secrets.token_hex(8)}", itertools.count(1)

    def next(self) -> str:
        """Return a new id."""
        return f"{self._prefix}{next(self._numbers):x}"


_ids = _Ids()
os.register_at_fork(after_in_child=_ids.begin)
new_request_id = _ids.next


class RequestIds:
    """Middleware that puts the id of a request into its response and its log lines, and keeps its trace context."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Respond with the id that our server gave the request; under other servers, with a new one."""
        name = request.META.get(ENVIRON) or new_request_id()
        request.META[ENVIRON] = name
        token = incoming.set(valid(request.META.get("HTTP_TRACEPARENT")))
        try:
            with structlog.contextvars.bound_contextvars(request_id=name):
                response = self.get_response(request)
        finally:
            incoming.reset(token)
        response.headers[HEADER] = name
        return response
