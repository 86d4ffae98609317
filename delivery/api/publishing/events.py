"""Publish events, list and read them, and erase their data.

A response 202 is sent after the events and their deliveries are committed. A single event that is not accepted is a
problem: 400 invalid, 402 beyond the monthly quota, 409 other content published before under this source and id, 413 too
large, 415 unknown form, 429 beyond the publish rate. In a batch every event has its own result, in order (409 in that
event's ``error``); if none was accepted, the response is the limit that they all exceed, or 400.

409 has a second cause, with `Retry-After`: a request with the same `Idempotency-Key` is in progress
(subscriptions.api.conventions.idempotency).
"""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.filters.lists import EventFilters
from delivery.api.included import IncludingList
from delivery.api.publishing.event_refs import require_event
from delivery.api.publishing.forms import BATCH_EXAMPLES, BATCH_REQUEST, BATCH_RESPONSES, EXAMPLES, REQUEST, RESPONSES
from delivery.api.publishing.published import JSON, PublishingView
from delivery.api.publishing.request_events import read_batch_events, read_events
from delivery.api.serializers.deliveries import DeliverySerializer
from delivery.api.serializers.events import EventDetailSerializer, EventSerializer
from delivery.fan_out import delayed
from delivery.lifecycle import erase
from delivery.models import Event
from delivery.reading import expand, queries
from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Scope
from webhooks.kit.bodies.payloads import hide_payloads, record_look_at
from webhooks.kit.rest.errors import Conflict
from webhooks.kit.rest.resources import ReadOnlyResource

DATA = ("data", "data_base64")  # members of a CloudEvent that hold the payload


class Events(IncludingList[Event], PublishingView, ReadOnlyResource[Event]):
    """List events, newest first, and publish new ones."""

    operations = {
        "list": (
            "List events",
            "Returns published events, newest first, without their data. Filter by type, subject, time, or "
            "the CloudEvent's own id.",
        ),
        "create": (
            "Publish an event",
            "Publishes one event. Only `type` is required; id, source and time are filled in if they are missing. 202 "
            "means that the event and its deliveries are on disk. The same (source, id) again is reported as a "
            "duplicate and changes nothing. A CloudEvent 1.0 may also be sent in structured mode "
            "(`application/cloudevents+json`) or in binary mode (headers `ce-...`). A request of Amazon EventBridge's "
            'PutEvents (`{"Entries": [...]}`) gets the response that EventBridge gives, with 200.',
        ),
        "retrieve": (
            "Get an event",
            "Returns one event; `event` is the CloudEvent, byte for byte as it is signed and sent. A key "
            "whose role may not see payloads gets it without its data.",
        ),
    }

    required_scopes = {"POST": Scope.PUBLISH}
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
        tenant_id = self.tenant_id()
        rows = queries.events(tenant_id).defer(None).defer("original", "digest")
        event = require_event(rows, self.kwargs["ref"], tenant_id=tenant_id)
        fields = dict(self.get_serializer(event).data)
        if not self.shows_payloads(request):
            return HttpResponse(orjson.dumps({**fields, **without_payload(event)}), JSON)
        if event.payload_deleted_at is None:
            record_look_at(request, event)
        return HttpResponse(
            orjson.dumps({**fields, "warnings": event.warnings, "event": orjson.Fragment(bytes(event.body))}), JSON
        )

    @extend_schema(request=REQUEST, responses=RESPONSES, examples=EXAMPLES)
    def create(self, request: Request) -> HttpResponse:
        return self.publish(request, read_events)


def without_payload(event: Event) -> dict[str, Any]:
    """Return the warnings and the CloudEvent of an event without its data, for a caller who may not see it."""
    shown = {"warnings": event.warnings, "event": orjson.loads(bytes(event.body))}
    hide_payloads(shown, ["warnings.detail"])
    shown["event"] = {name: value for name, value in shown["event"].items() if name not in DATA}
    return shown


class EventBatch(PublishingView):
    """Publish a batch of events."""

    operations = {
        "post": (
            "Publish a batch of events",
            "Publishes up to 1,000 events, each as `POST /events/` would. Each has its own result, in order: those "
            "that are `accepted` are on disk with their deliveries, the others name their problem. If none is "
            "accepted, the response is the problem that they share, or 400. CloudEvents may also be sent as "
            "`application/cloudevents-batch+json`.",
        ),
    }

    required_scopes = {"POST": Scope.PUBLISH}
    queryset = Event.objects.all()

    @extend_schema(request=BATCH_REQUEST, responses=BATCH_RESPONSES, examples=BATCH_EXAMPLES)
    def post(self, request: Request) -> HttpResponse:
        return self.publish(request, read_batch_events)


class EventCancel(TenantScoped[Event]):
    """Cancel an event that waits for its time."""

    operations = {
        "post": (
            "Cancel a scheduled event",
            "Cancels an event that waits for its `deliver_at`: it gets no deliveries. Idempotent; 409 if its time has "
            "come, when its deliveries can be cancelled.",
        ),
    }
    reads_body = False

    queryset = Event.objects.all()
    required_permissions = {"POST": "delivery.change_event"}
    serializer_class = EventSerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[Event]:
        return queries.events(tenant_id)

    @extend_schema(request=None, responses={200: EventSerializer}, operation_id="cancel_event")
    def post(self, request: Request, ref: str) -> Response:
        tenant_id = self.tenant_id()
        event = require_event(queries.events(tenant_id), ref, tenant_id=tenant_id)
        if not delayed.cancel_event(event, principal(request).label) and not delayed.is_cancelled(event):
            raise Conflict({"deliver_at": ["It does not wait for a time; cancel its deliveries."]})
        return Response(self.get_serializer(queries.events(tenant_id).get(pk=event.pk)).data)


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
    required_permissions = {"DELETE": "delivery.erase_event"}
    serializer_class = EventSerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[Event]:
        return queries.events(tenant_id)

    @extend_schema(request=None, responses={200: EventSerializer})
    def delete(self, request: Request, ref: str) -> Response:
        tenant_id = self.tenant_id()
        event = require_event(queries.events(tenant_id), ref, tenant_id=tenant_id)
        erase.erase(event, principal(request).label)
        event.refresh_from_db(fields=["payload_deleted_at"])
        return Response(self.get_serializer(event).data)
