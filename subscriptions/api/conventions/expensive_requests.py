"""Let each tenant run a few expensive requests at a time: previews, exports, explanations, dry runs, imports.

Such a request computes for a long time, and all threads of a process share one interpreter. A view names its expensive
methods in ``expensive``: ``("POST",)``. A tenant may hold half of the places of a process, a second one half of the
rest, and so on (``webhooks.kit.fair.shares``); beyond its share it gets 429.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException

from subscriptions.api.conventions.errors import problem_response
from subscriptions.api.conventions.idempotency import principal_of
from webhooks.kit.fair.shares import Shares

LIMIT = "WAYPOST_EXPENSIVE_REQUESTS"
RETRY_AFTER = 2  # seconds


class TooManyExpensiveRequests(APIException):
    """429: the tenant has as many expensive requests in progress as it may have."""

    status_code = 429
    default_code = "too_many_expensive_requests"
    default_detail = (
        f"Too many previews, exports, explanations, dry runs or imports of this tenant at the same time ({LIMIT}); "
        "wait for earlier ones to end."
    )
    wait = RETRY_AFTER
    members = {"limit": LIMIT}


class ExpensiveRequests:
    """Middleware that holds a place for each expensive request while its view runs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.shares = Shares("expensive_requests", settings.WAYPOST_EXPENSIVE_REQUESTS)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            return self.get_response(request)
        finally:
            holder = getattr(request, "holder_of_a_place", None)
            if holder is not None:
                self.shares.release(holder)

    def process_view(self, request: HttpRequest, view: Any, _arguments: Any, _names: Any) -> HttpResponse | None:
        """Take a place, if the view is expensive; 429 if the tenant holds its share."""
        if request.method not in getattr(getattr(view, "cls", None), "expensive", ()):
            return None
        principal = principal_of(request)
        if principal is None:
            return None  # which the view rejects
        holder = principal.tenant_id or principal.key_id
        if not self.shares.take(holder):
            return problem_response(request, TooManyExpensiveRequests())
        request.holder_of_a_place = holder  # type: ignore[attr-defined]
        return None
