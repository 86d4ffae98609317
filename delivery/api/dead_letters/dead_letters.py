"""Serve dead letters: deliveries that failed permanently."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet

from delivery.api.filters.lists import DeadLetterFilters
from delivery.api.included import IncludingList
from delivery.api.serializers.dead_letters import DeadLetterSerializer
from delivery.api.serializers.deliveries import AttemptSerializer, DeliverySerializer
from delivery.api.serializers.events import EventSerializer
from delivery.models import DeadLetter
from delivery.reading import expand, queries
from webhooks.kit.rest.resources import ReadOnlyResource


class DeadLetters(IncludingList[DeadLetter], ReadOnlyResource[DeadLetter]):
    """Dead letters, newest first. Create a replay to send them again."""

    operations = {
        "list": (
            "List dead letters",
            "Returns deliveries that were given up, newest first, with the cause, the last response and the "
            "number of attempts, in every `state` unless you ask for one.",
        ),
        "retrieve": ("Get a dead letter", "Returns one dead letter."),
    }

    queryset = DeadLetter.objects.all()
    serializer_class = DeadLetterSerializer
    query_params = DeadLetterFilters
    endpoint_path = "endpoint_id"
    payload_fields = (
        f"reason?cause={DeadLetter.Cause.TRANSFORMATION_FAILED.value}",  # the error of a transformer
        "included.attempts.response",
        "included.attempts.response_headers",
    )
    included_serializers: ClassVar = {
        "delivery": DeliverySerializer,
        "event": EventSerializer,
        "attempts": AttemptSerializer,
    }

    def query(self, tenant_id: UUID | None, **arguments: Any) -> QuerySet[DeadLetter]:
        return queries.dead_letters(tenant_id, **arguments)

    def include(self, name: str, page: Sequence[DeadLetter]) -> dict[UUID, Any]:
        deliveries = expand.deliveries_of_letters(page)
        if name == "delivery":
            return dict(deliveries)
        read = expand.events if name == "event" else expand.attempts
        found: dict[UUID, Any] = dict(read([*deliveries.values()]))
        return {key: found[delivery.pk] for key, delivery in deliveries.items()}
