"""Describe the requests that publish events, and their responses, for the OpenAPI description only.

No request is parsed by these serializers: ``webhooks.wire`` reads and checks the bytes of an event. Each path has one
JSON body in the description, so that generated clients have one type for it; the media types of CloudEvents, which both
paths accept too, are described in words. So are requests of PutEvents with their responses: a client of ours would
get two types for a response, and clients of AWS know theirs.
"""

from typing import Any

from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from delivery.api.serializers.cloud_events import EventCreateSerializer
from delivery.api.serializers.events import PublishResultSerializer
from webhooks.wire.cloudevents.http_modes import MAX_BATCH

ORDER = {"number": "A-17", "total": 129.5}
ITEM_STATUSES = [("accepted", "The event and its deliveries are on disk"), ("rejected", "See `error`")]
STATUS_HELP = "Whether the event was accepted, now or before."


@extend_schema_field({"$ref": "#/components/schemas/Problem"})
class ProblemField(serializers.Field[Any, Any, Any, Any]):
    """A problem (RFC 9457)."""


class AcceptedEventSerializer(PublishResultSerializer):
    """An event of a batch that was accepted."""

    status = serializers.ChoiceField(ITEM_STATUSES, help_text=STATUS_HELP)


class RejectedEventSerializer(serializers.Serializer[Any]):
    """An event of a batch that was rejected, with the reason."""

    status = serializers.ChoiceField(ITEM_STATUSES, help_text=STATUS_HELP)
    error = ProblemField(help_text="The problem that the event alone would have: 400, 402, 409, 413 or 429.")


class PublishBatchResultSerializer(serializers.Serializer[Any]):
    """The results of publishing a batch, one for each event."""

    data = serializers.ListField(  # type: ignore[assignment]  # as above
        child=PolymorphicProxySerializer(
            component_name="PublishBatchItem",
            serializers={"accepted": AcceptedEventSerializer, "rejected": RejectedEventSerializer},
            resource_type_field_name="status",
        ),
        help_text="One result for each event, in the order of the batch.",
    )
    accepted = serializers.IntegerField(help_text="Events accepted, including duplicates.")
    rejected = serializers.IntegerField(help_text="Events rejected.")


REQUEST = {"application/json": EventCreateSerializer}
BATCH_REQUEST: dict[str, Any] = {
    "application/json": serializers.ListSerializer(child=EventCreateSerializer(), max_length=MAX_BATCH)
}
RESPONSES = {202: PublishResultSerializer}
BATCH_RESPONSES = {202: PublishBatchResultSerializer}
EXAMPLES = [
    OpenApiExample("Minimal event", {"type": "order.paid", "data": ORDER}, request_only=True),
    OpenApiExample(
        "Event with an id",
        {"id": "A-17", "source": "/orders", "type": "order.paid", "subject": "A-17", "data": ORDER},
        request_only=True,
    ),
]
BATCH_EXAMPLES = [
    OpenApiExample(
        "Two events",
        [{"type": "order.paid", "data": ORDER}, {"type": "order.shipped", "data": {"number": "A-17"}}],
        request_only=True,
    ),
]
