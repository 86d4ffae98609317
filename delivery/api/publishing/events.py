"""Events: the door they are published through, and the pages that show what was taken.

Publishing answers 202 after the events and everything owed for them are on disk. One event that cannot be taken
is a problem (400; 402 more than the plan's month has; 409 if another content was taken under its source and id; 413
too large; 415 unknown form; 429 faster than the plan allows). In a batch every item has its own result, in order; if
not one of them could be taken the answer is the limit they all met, or 400.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, ErrorDetail, ParseError, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.filters import EventFilters
from delivery.api.included import IncludingList
from delivery.api.publishing.forms import ANSWERS, EXAMPLES, FORMS
from delivery.api.publishing.request_events import Limits, read_events
from delivery.api.serializers.deliveries import DeliverySerializer
from delivery.api.serializers.events import EventDetailSerializer, EventSerializer
from delivery.lifecycle import erase
from delivery.models import Event
from delivery.publishing.plan_limits import publish_within_plan
from delivery.publishing.results import ContentConflict, EventLimitExceeded, Published, SchemaMismatch, warning_list
from delivery.reading import expand, queries
from subscriptions.api.authentication import principal
from subscriptions.api.problems import PlanExceeded
from subscriptions.api.tenancy import TenantScoped, tenant_of
from subscriptions.models import Scope
from webhooks.kit.rest.errors import Conflict
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.resources import ReadOnlyResource
from webhooks.wire import ids
from webhooks.wire.errors import InvalidEvent

__all__ = ["EventPayload", "Events"]

JSON = "application/json"
PROBLEM = "application/problem+json"


class JsonOnly(BaseContentNegotiation):
    """Whatever the client would accept, it gets JSON. Reading its wishes costs as much as taking the event."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class Events(IncludingList[Event], ReadOnlyResource[Event]):
    """Events, newest first; and the place where they are published."""

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
        """One event, with ``event``: the CloudEvent, byte for byte as it is sent."""
        event = require(queries.events(self.tenant_id()).defer(None).defer("digest"), self.kwargs["ref"])
        fields = dict(self.get_serializer(event).data)
        return HttpResponse(
            orjson.dumps({**fields, "warnings": event.warnings, "event": orjson.Fragment(bytes(event.body))}), JSON
        )

    @extend_schema(request=FORMS, responses=ANSWERS, examples=EXAMPLES)
    def create(self, request: Request) -> HttpResponse:
        """Take one CloudEvent (structured, binary, or plain JSON) or a batch of up to 1,000."""
        tenant = tenant_of(request)
        limits = Limits(event=settings.WAYPOST_MAX_EVENT_BYTES, batch=settings.WAYPOST_MAX_REQUEST_BYTES)
        try:
            read = read_events(request._request, limits)
        except InvalidEvent as error:
            raise refusal(error) from error
        results = publish_within_plan(tenant, read.items)
        return self.answer_batch(results) if read.batch else self.answer_one(results[0])

    def answer_one(self, result: Published) -> HttpResponse:
        """202 with what became of it. Raises the problem it is."""
        if result.error:
            raise refusal(result.error)
        return HttpResponse(orjson.dumps(shown(result)), JSON, 202)

    def answer_batch(self, results: list[Published]) -> HttpResponse:
        """202, also for an empty batch. If there were items and none of them was taken it is a problem: the limit they
        all met, or 400."""
        refusals = [refusal(it.error) for it in results if it.error]
        content = {
            "data": [{"error": self.problem(refusal(it.error))} if it.error else shown(it) for it in results],
            "accepted": len(results) - len(refusals),
            "rejected": len(refusals),
        }
        if len(refusals) < len(results) or not results:
            return HttpResponse(orjson.dumps(content), JSON, 202)
        limits = {it.default_code: it for it in refusals if isinstance(it, PlanExceeded)}
        met_all = len(limits) == 1 and all(isinstance(it, PlanExceeded) for it in refusals)
        whole = self.refused(limits.popitem()[1] if met_all else ParseError("Not one event of the batch was taken."))
        whole.data = {**dict(whole.data), **content}
        return whole

    def refused(self, error: APIException) -> Response:
        """The answer to this error as everywhere in the API (RFC 9457): whoever makes the others makes this one."""
        answer: Response = self.get_exception_handler()(error, self.get_exception_handler_context())
        return answer

    def problem(self, error: APIException) -> dict[str, Any]:
        """The same, of one item."""
        return dict(self.refused(error).data)


class EventPayload(TenantScoped[Event]):
    """What an event says: its data, in every shape it was sent in."""

    queryset = Event.objects.all()
    serializer_class = EventSerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[Event]:
        return queries.events(tenant_id)

    @extend_schema(request=None, responses={200: EventSerializer})
    def delete(self, request: Request, ref: str) -> Response:
        """Remove it for good. What is still owed of it is cancelled; that it happened stays. Again changes nothing."""
        event = self.get_object()
        erase.erase(event, principal(request).label)
        event.refresh_from_db(fields=["payload_deleted_at"])
        return Response(self.get_serializer(event).data)


def refusal(error: InvalidEvent) -> APIException:
    """An event that cannot be taken, as REST says it: 409 if another was taken under its name; 402, 413 or 429 if it
    is over a limit; else 400."""
    if isinstance(error, EventLimitExceeded):
        return PlanExceeded(error.exceeded)
    if isinstance(error, SchemaMismatch):  # the code is the place in the data: see config.api.errors
        return ValidationError({"data": [ErrorDetail(it.detail, it.pointer) for it in error.finding.violations]})
    kind = Conflict if isinstance(error, ContentConflict) else ValidationError
    return kind({error.attribute or "non_field_errors": [error.reason]})


def shown(result: Published) -> dict[str, Any]:
    """One event that was taken, now or before."""
    return {
        "id": result.id and ids.public(Event.prefix, result.id),
        "source": result.source,
        "event_id": result.event_id,
        "duplicate": result.duplicate,
        "deliveries": result.deliveries,
        **({"warnings": warning_list(result.warnings)} if result.warnings else {}),
    }
