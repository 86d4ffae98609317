"""Dead letters: what was given up, and why."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from delivery import including, listing, narrowing
from delivery.models import DeadLetter
from delivery.serializers import DeadLetterSerializer
from delivery.views.queries import DeadLetterQuery
from delivery.views.rows import Page, Single

__all__ = ["DeadLetterDetail", "DeadLetters"]


class DeadLetters(Page[DeadLetter]):
    """Dead letters, newest first. To bring them back, create a replay."""

    serializer_class = DeadLetterSerializer
    query = DeadLetterQuery
    conditions = narrowing.DEAD_LETTERS

    def include(self, name: str, page: Sequence[DeadLetter]) -> dict[UUID, Any]:
        deliveries = including.deliveries_of_letters(page)
        if name == "delivery":
            return dict(deliveries)
        read = including.events if name == "event" else including.attempts
        found: dict[UUID, Any] = dict(read([*deliveries.values()]))
        return {key: found[delivery.pk] for key, delivery in deliveries.items()}

    def rows(self, tenant_id: UUID | None, **asked: Any) -> QuerySet[DeadLetter]:
        return listing.dead_letters(tenant_id, **asked)


class DeadLetterDetail(Single[DeadLetter]):
    """One dead letter."""

    serializer_class = DeadLetterSerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[DeadLetter]:
        return listing.dead_letters(tenant_id)

    def get(self, request: Request, ref: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)
