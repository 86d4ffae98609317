"""Serve deliveries and their attempts."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.filters.lists import AttemptFilters, DeliveryFilters, EventDeliveryFilters
from delivery.api.included import IncludingList
from delivery.api.publishing.event_refs import require_event
from delivery.api.serializers.deliveries import AttemptSerializer, DeliveryDetailSerializer, DeliverySerializer
from delivery.api.serializers.events import EventSerializer
from delivery.api.serializers.requests import AttemptDetailSerializer, SentRequestSerializer
from delivery.models import Attempt, Delivery
from delivery.reading import expand, queries
from delivery.reading.requests.sent_request import next_request
from subscriptions.api.tenancy import TenantScoped, limited_to_endpoint
from webhooks.kit.rest.errors import Conflict
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.query_params import QueryParams
from webhooks.kit.rest.resources import ListView, ReadOnlyResource

SHOWN_ATTEMPTS = 100  # the latest attempts with a delivery; the list of attempts has all


class DeliveryList(IncludingList[Delivery]):
    """List deliveries with what is included."""

    queryset = Delivery.objects.all()
    serializer_class = DeliverySerializer
    endpoint_path = "endpoint_id"
    payload_fields = (
        *("attempts.response", "attempts.response_headers"),
        *("included.attempts.response", "included.attempts.response_headers"),
    )
    included_serializers: ClassVar = {"event": EventSerializer, "attempts": AttemptSerializer}

    def query(self, tenant_id: UUID | None, **arguments: Any) -> QuerySet[Delivery]:
        return queries.deliveries(tenant_id, **arguments)

    def include(self, name: str, page: Sequence[Delivery]) -> dict[UUID, Any]:
        return expand.events(page) if name == "event" else expand.attempts(page)


class Deliveries(DeliveryList, ReadOnlyResource[Delivery]):
    """Deliveries, newest first."""

    operations = {
        "list": (
            "List deliveries",
            "Returns deliveries, newest first: one event for one endpoint each. Filter by endpoint, event, "
            "state, error, status or time.",
        ),
        "retrieve": (
            "Get a delivery",
            "Returns one delivery with its latest attempts: what was sent, the response, and when the next "
            "attempt is due.",
        ),
    }

    query_params: ClassVar[type[QueryParams]] = DeliveryFilters

    @extend_schema(responses={200: DeliveryDetailSerializer})
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().retrieve(request, *args, **kwargs)

    def shown(self, row: Delivery) -> Response:
        history = queries.latest(row.history.all(), SHOWN_ATTEMPTS)
        return Response(DeliveryDetailSerializer(row, context={"history": history}).data)


class EventDeliveries(DeliveryList, ListView[Delivery]):
    """The deliveries of one event."""

    operations = {
        "get": (
            "List an event's deliveries",
            "Returns the deliveries of one event, newest first: one for each endpoint it was routed to.",
        ),
    }

    query_params = EventDeliveryFilters

    def query(self, tenant_id: UUID | None, **arguments: Any) -> QuerySet[Delivery]:
        event = self.subject = require_event(queries.events(tenant_id), self.kwargs["ref"], tenant_id=tenant_id)
        return queries.deliveries(tenant_id, event=event, **arguments)


class DeliveryAttempts(TenantScoped[Attempt], ListView[Attempt]):
    """The attempts of one delivery, newest first."""

    operations = {"get": ("List a delivery's attempts", "Returns every attempt of a delivery, newest first.")}

    queryset = Attempt.objects.all()
    serializer_class = AttemptSerializer
    endpoint_path = "delivery__endpoint_id"
    payload_fields = ("response", "response_headers")
    query_params = AttemptFilters

    def select(self, tenant_id: UUID | None, **arguments: Any) -> QuerySet[Attempt]:
        deliveries = limited_to_endpoint(self.request, queries.deliveries(tenant_id), "endpoint_id")
        delivery = self.subject = require(deliveries, self.kwargs["ref"])
        return queries.within(delivery.history.all(), "started_at", arguments.get("since"), arguments.get("until"))


class DeliveryAttempt(TenantScoped[Attempt]):
    """One attempt of a delivery."""

    operations = {
        "get": (
            "Get an attempt",
            "Returns one attempt of a delivery by its number or id: the request exactly as it was sent, with a curl "
            "command that repeats it, and the response. What is not known any more, because the endpoint was changed "
            "since, is named in `request.changed`.",
        )
    }

    queryset = Attempt.objects.all()
    serializer_class = AttemptDetailSerializer
    endpoint_path = "delivery__endpoint_id"
    payload_fields = (
        "response",
        "response_headers",
        "curl",
        "request.headers",
        "request.body",
        "request.body_base64",
    )

    @extend_schema(responses={200: AttemptDetailSerializer}, operation_id="get_delivery_attempt")
    def get(self, request: Request, ref: str, attempt: str) -> Response:
        found = queries.attempt(_delivery(self), attempt)
        if found is None:
            raise NotFound
        return Response(AttemptDetailSerializer(found).data)


class DeliveryRequest(TenantScoped[Delivery]):
    """The request of a delivery."""

    operations = {
        "get": (
            "Get a delivery's request",
            "Returns the request as it would be sent now, with the endpoint's current settings: URL, headers and body "
            "(transformed, if the subscription transforms it). It is not signed. Each attempt shows the request that "
            "was sent. 409 if the payload was erased or the endpoint lacks what it takes to send.",
        )
    }

    queryset = Delivery.objects.all()
    serializer_class: type[serializers.BaseSerializer[Any]] = SentRequestSerializer
    endpoint_path = "endpoint_id"
    payload_fields = ("headers", "body", "body_base64")

    @extend_schema(responses={200: SentRequestSerializer}, operation_id="get_delivery_request")
    def get(self, request: Request, ref: str) -> Response:
        shown = next_request(_delivery(self))
        if shown is None:
            raise Conflict({"event": ["Nothing can be sent: the payload was erased, or the endpoint lacks a secret."]})
        return Response(SentRequestSerializer(shown).data)


def _delivery(view: TenantScoped[Any]) -> Delivery:
    """Return the delivery that the path names. Raises NotFound."""
    rows = queries.deliveries(view.tenant_id()).select_related("event", "endpoint__http", "endpoint__destination")
    found = view.subject = require(limited_to_endpoint(view.request, rows, "endpoint_id"), view.kwargs["ref"])
    return found
