"""Publish events, list and read them, and erase their data.

A response 202 is sent after the events and their deliveries are committed. A single event that is not accepted is a
problem: 400 invalid, 402 beyond the monthly quota, 409 other content published before under this source and id, 413 too
large, 415 unknown form, 429 beyond the publish rate. In a batch every event has its own result, in order (409 in that
event's ``error``); if none was accepted, the response is the limit that they all exceed, or 400.

409 has a second cause, with `Retry-After`: a request with the same `Idempotency-Key` is in progress
(config.api.idempotency).
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.filters import EventFilters
from delivery.api.included import IncludingList
from delivery.api.publishing.forms import EXAMPLES, FORMS, RESPONSES
from delivery.api.publishing.publish_results import accepted, problem_of, shown
from delivery.api.publishing.request_events import Limits, read_events
from delivery.api.serializers.deliveries import DeliverySerializer
from delivery.api.serializers.events import EventDetailSerializer, EventSerializer
from delivery.lifecycle import erase
from delivery.models import Event
from delivery.publishing.group_publish import publish_in_group
from delivery.publishing.results import Published
from delivery.reading import expand, queries
from subscriptions.api.authentication import principal
from subscriptions.api.problems import PlanExceeded
from subscriptions.api.tenancy import TenantScoped, tenant_of
from subscriptions.models import Scope
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.resources import ReadOnlyResource
from webhooks.wire.errors import InvalidEvent

JSON = "application/json"
PROBLEM = "application/problem+json"


class JsonOnly(BaseContentNegotiation):
    """Respond with JSON whatever the Accept header says: parsing it costs as much as accepting an event."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class Events(IncludingList[Event], ReadOnlyResource[Event]):
    """List events, newest first, and publish new ones."""

    operations = {
        "list": (
            "List events",
            "Returns published events, newest first, without their data. Filter by type, subject, time, or "
            "the CloudEvent's own id.",
        ),
        "create": (
            "Publish events",
            "Publishes one event or a batch of up to 1,000. Send a CloudEvent 1.0 (structured, binary or "
            "batched) or plain JSON with `type` and `data`; id, source and time are filled in if they are "
            "missing. 202 means that the events and their deliveries are on disk. The same (source, id) again "
            "is reported as a duplicate and changes nothing. In a batch each event has its own result, in "
            "order.",
        ),
        "retrieve": (
            "Get an event",
            "Returns one event; `event` is the CloudEvent, byte for byte as it is signed and sent.",
        ),
    }

    required_scopes = {"POST": Scope.PUBLISH}
    content_negotiation_class = JsonOnly
    queryset = Event.objects.all()
    serializer_class = EventSerializer
    query_params = EventFilters
    included_serializers: ClassVar = {"deliveries": DeliverySerializer}

    def include(self, name: str, page: Sequence[Event]) -> dict[UUID, Any]:
        return dict(expand.deliveries(page))

    def query(self, tenant_id: UUID | None, **arguments: Any) -> QuerySet[Event]:
        return queries.events(tenant_id, **arguments)

    @extend_schema(responses={200: EventDetailSerializer})
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        event = require(queries.events(self.tenant_id()).defer(None).defer("digest"), self.kwargs["ref"])
        fields = dict(self.get_serializer(event).data)
        return HttpResponse(
            orjson.dumps({**fields, "warnings": event.warnings, "event": orjson.Fragment(bytes(event.body))}), JSON
        )

    @extend_schema(request=FORMS, responses=RESPONSES, examples=EXAMPLES)
    def create(self, request: Request) -> HttpResponse:
        tenant = tenant_of(request)
        limits = Limits(event=settings.WAYPOST_MAX_EVENT_BYTES, batch=settings.WAYPOST_MAX_REQUEST_BYTES)
        try:
            read = read_events(request._request, limits)
        except InvalidEvent as error:
            raise problem_of(error) from error
        results = publish_in_group(tenant, read.items)
        if read.batch:
            return self.batch_response(results)
        return HttpResponse(orjson.dumps(accepted(results[0])), JSON, 202)

    def batch_response(self, results: list[Published]) -> HttpResponse:
        """Return a 202 with the result of each event, or a problem if there were events and none was accepted."""
        problems = [problem_of(it.error) for it in results if it.error]
        content = {
            "data": [{"error": self.problem(problem_of(it.error))} if it.error else shown(it) for it in results],
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

    def problem_response(self, error: APIException) -> Response:
        """Return the problem (RFC 9457) that the API's exception handler makes of this error."""
        response: Response = self.get_exception_handler()(error, self.get_exception_handler_context())
        return response

    def problem(self, error: APIException) -> dict[str, Any]:
        """Return the problem of one event of a batch."""
        return dict(self.problem_response(error).data)


class EventPayload(TenantScoped[Event]):
    """Erase the data of an event."""

    operations = {
        "delete": (
            "Erase an event's data",
            "Deletes the event's data, transformed bodies and recorded responses, and cancels its pending "
            "deliveries. Id, type and times stay. Idempotent. 404 if the event does not exist.",
        ),
    }

    queryset = Event.objects.all()
    serializer_class = EventSerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[Event]:
        return queries.events(tenant_id)

    @extend_schema(request=None, responses={200: EventSerializer})
    def delete(self, request: Request, ref: str) -> Response:
        """Delete the event's data, transformed bodies and recorded responses, and cancel its pending deliveries.

        Id, type and times stay. Idempotent.
        """
        event = self.get_object()
        erase.erase(event, principal(request).label)
        event.refresh_from_db(fields=["payload_deleted_at"])
        return Response(self.get_serializer(event).data)
