"""Deliveries and their attempts: what was owed, and what became of it."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from delivery import including, listing, narrowing
from delivery.models import Attempt, Delivery
from delivery.serializers import AttemptSerializer, DeliveryDetailSerializer, DeliverySerializer
from delivery.views.queries import AttemptQuery, DeliveryQuery, EventDeliveryQuery
from delivery.views.rows import Page, Single, found

__all__ = ["Attempts", "Deliveries", "DeliveryDetail", "EventDeliveries"]

SHOWN_ATTEMPTS = 100  # the latest, on a delivery's own page; the list of attempts has them all


class Deliveries(Page[Delivery]):
    """Deliveries, newest first."""

    serializer_class = DeliverySerializer
    query: ClassVar[type[Serializer[Any]]] = DeliveryQuery
    conditions = narrowing.DELIVERIES

    def include(self, name: str, page: Sequence[Delivery]) -> dict[UUID, Any]:
        return including.events(page) if name == "event" else including.attempts(page)

    def rows(self, tenant_id: UUID | None, **asked: Any) -> QuerySet[Delivery]:
        return listing.deliveries(tenant_id, **asked)


class EventDeliveries(Deliveries):
    """To whom one event was owed."""

    query = EventDeliveryQuery

    def rows(self, tenant_id: UUID | None, **asked: Any) -> QuerySet[Delivery]:
        event = found(listing.events(tenant_id), self.kwargs["ref"])
        return listing.deliveries(tenant_id, event=event, **asked)


class DeliveryDetail(Single[Delivery]):
    """One delivery with its attempts."""

    serializer_class = DeliveryDetailSerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[Delivery]:
        return listing.deliveries(tenant_id)

    def get(self, request: Request, ref: str) -> Response:
        delivery = self.get_object()
        history = listing.latest(delivery.history.all(), SHOWN_ATTEMPTS)
        return Response(self.get_serializer(delivery, context={"history": history}).data)


class Attempts(Page[Attempt]):
    """The attempts of one delivery, newest first."""

    serializer_class = AttemptSerializer
    query = AttemptQuery
    conditions = narrowing.ATTEMPTS

    def rows(self, tenant_id: UUID | None, **asked: Any) -> QuerySet[Attempt]:
        delivery = found(listing.deliveries(tenant_id), self.kwargs["ref"])
        return listing.within(delivery.history.all(), "started_at", asked.get("since"), asked.get("until"))
