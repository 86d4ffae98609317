"""Serve dead letters: deliveries that failed permanently."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.query_params import DeadLetterQuery
from delivery.api.rows import Page, Single
from delivery.api.serializers import DeadLetterSerializer
from delivery.models import DeadLetter
from delivery.reading import expand, list_filters, queries

__all__ = ["DeadLetterDetail", "DeadLetters"]


class DeadLetters(Page[DeadLetter]):
    """Dead letters, newest first. Create a replay to send them again."""

    serializer_class = DeadLetterSerializer
    query = DeadLetterQuery
    conditions = list_filters.DEAD_LETTERS

    def include(self, name: str, page: Sequence[DeadLetter]) -> dict[UUID, Any]:
        deliveries = expand.deliveries_of_letters(page)
        if name == "delivery":
            return dict(deliveries)
        read = expand.events if name == "event" else expand.attempts
        found: dict[UUID, Any] = dict(read([*deliveries.values()]))
        return {key: found[delivery.pk] for key, delivery in deliveries.items()}

    def rows(self, tenant_id: UUID | None, **asked: Any) -> QuerySet[DeadLetter]:
        return queries.dead_letters(tenant_id, **asked)


class DeadLetterDetail(Single[DeadLetter]):
    """One dead letter."""

    serializer_class = DeadLetterSerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[DeadLetter]:
        return queries.dead_letters(tenant_id)

    def get(self, request: Request, ref: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)
