"""Respond to a request that publishes events: 202 with the results, or the problem of all of them."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import APIException, ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from delivery import metrics
from delivery.api.publishing.event_tenants import named_by, publish_for_tenants
from delivery.api.publishing.publish_results import accepted, problem_of, shown
from delivery.api.publishing.put_events import put_events_response
from delivery.api.publishing.request_events import Limits, RequestEvents
from delivery.models import Event
from delivery.publishing.plan_limits import publish_rate_headers
from delivery.publishing.results import Published, rejection_reason
from subscriptions.api.authentication import principal
from subscriptions.api.problems import PlanExceeded
from subscriptions.api.tenancy import TenantScoped
from webhooks.kit.rest.limited_body import TooLarge
from webhooks.wire.errors import InvalidEvent

JSON = "application/json"
Read = Callable[[HttpRequest, Limits], RequestEvents]


class JsonOnly(BaseContentNegotiation):
    """Respond with JSON whatever the Accept header says: parsing it costs as much as accepting an event."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class PublishingView(TenantScoped[Event]):
    """A view that publishes the events of a request."""

    content_negotiation_class = JsonOnly
    is_audited = False  # an event is the record of who published it

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Respond, and count the request if it publishes."""
        began = time.monotonic()
        response = super().dispatch(request, *args, **kwargs)
        if request.method == "POST":
            size = int(request.META.get("CONTENT_LENGTH") or 0)
            metrics.publish_request(response.status_code, time.monotonic() - began, size)
        return response

    def publish(self, request: Request, read: Read) -> HttpResponse:
        """Publish what ``read`` returns, and return the response. Raises APIException for a problem."""
        named = named_by(request)
        limits = Limits(event=settings.WAYPOST_MAX_EVENT_BYTES, batch=settings.WAYPOST_MAX_REQUEST_BYTES)
        try:
            found = read(request._request, limits)
        except InvalidEvent as error:
            metrics.published(0, 0, {rejection_reason(error): 1})
            raise problem_of(error) from error
        except TooLarge:
            metrics.published(0, 0, {"too_large": 1})
            raise
        tenant = named or principal(request).tenant
        results = publish_for_tenants(principal(request).tenant, named, found.items)
        response = self._response(found, results)
        for name, value in publish_rate_headers(tenant).items() if tenant else ():
            response.headers.setdefault(name, value)
        return response

    def _response(self, found: RequestEvents, results: list[Published]) -> HttpResponse:
        if found.entries:
            return HttpResponse(orjson.dumps(put_events_response(results)), JSON, 200)
        if found.batch:
            return self.batch_response(results)
        return HttpResponse(orjson.dumps(accepted(results[0])), JSON, 202)

    def batch_response(self, results: list[Published]) -> HttpResponse:
        """Return a 202 with the result of each event, or a problem if there were events and none was accepted."""
        problems = [problem_of(it.error) for it in results if it.error]
        content = {
            "data": [self.item(it) for it in results],
            "accepted": len(results) - len(problems),
            "rejected": len(problems),
        }
        if len(problems) < len(results) or not results:
            return HttpResponse(orjson.dumps(content), JSON, 202)
        limits = {it.default_code: it for it in problems if isinstance(it, PlanExceeded)}
        met_all = len(limits) == 1 and all(isinstance(it, PlanExceeded) for it in problems)
        error = limits.popitem()[1] if met_all else ParseError("No event of the batch was accepted.")
        whole = self.problem_response(error)
        whole.data = {**dict(whole.data), **content}
        return whole

    def item(self, result: Published) -> dict[str, Any]:
        """Return the result of one event of a batch."""
        if result.error:
            return {"status": "rejected", "error": dict(self.problem_response(problem_of(result.error)).data)}
        return {"status": "accepted", **shown(result)}

    def problem_response(self, error: APIException) -> Response:
        """Return the problem (RFC 9457) that the API's exception handler makes of this error."""
        response: Response = self.get_exception_handler()(error, self.get_exception_handler_context())
        return response
