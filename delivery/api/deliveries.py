"""Serve deliveries and their attempts."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from delivery.api.query_params import AttemptQuery, DeliveryQuery, EventDeliveryQuery
from delivery.api.rows import Page, Single, found
from delivery.api.serializers import AttemptSerializer, DeliveryDetailSerializer, DeliverySerializer
from delivery.models import Attempt, Delivery
from delivery.reading import expand, list_filters, queries

__all__ = ["Attempts", "Deliveries", "DeliveryDetail", "EventDeliveries"]

SHOWN_ATTEMPTS = 100  # the latest attempts with a delivery; the list of attempts has all


class Deliveries(Page[Delivery]):
    """Deliveries, newest first."""

    serializer_class = DeliverySerializer
    query: ClassVar[type[Serializer[Any]]] = DeliveryQuery
    conditions = list_filters.DELIVERIES

    def include(self, name: str, page: Sequence[Delivery]) -> dict[UUID, Any]:
        return expand.events(page) if name == "event" else expand.attempts(page)

    def rows(self, tenant_id: UUID | None, **asked: Any) -> QuerySet[Delivery]:
        return queries.deliveries(tenant_id, **asked)


class EventDeliveries(Deliveries):
    """The deliveries of one event."""

    query = EventDeliveryQuery

    def rows(self, tenant_id: UUID | None, **asked: Any) -> QuerySet[Delivery]:
        event = found(queries.events(tenant_id), self.kwargs["ref"])
        return queries.deliveries(tenant_id, event=event, **asked)


class DeliveryDetail(Single[Delivery]):
    """One delivery with its attempts."""

    serializer_class = DeliveryDetailSerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[Delivery]:
        return queries.deliveries(tenant_id)

    def get(self, request: Request, ref: str) -> Response:
        delivery = self.get_object()
        history = queries.latest(delivery.history.all(), SHOWN_ATTEMPTS)
        return Response(self.get_serializer(delivery, context={"history": history}).data)


class Attempts(Page[Attempt]):
    """The attempts of one delivery, newest first."""

    serializer_class = AttemptSerializer
    query = AttemptQuery
    conditions = list_filters.ATTEMPTS

    def rows(self, tenant_id: UUID | None, **asked: Any) -> QuerySet[Attempt]:
        delivery = found(queries.deliveries(tenant_id), self.kwargs["ref"])
        return queries.within(delivery.history.all(), "started_at", asked.get("since"), asked.get("until"))
