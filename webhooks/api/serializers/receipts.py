"""Serialize receipts and replays of receipts."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from webhooks.kit.rest.serializers import BooleanField, IdField, ObjectField, StrictSerializer
from webhooks.models import Receipt, Source, SourceSecret


class ReceiptSerializer(serializers.ModelSerializer[Receipt]):
    """A stored message and the progress of its handlers."""

    id = IdField(Receipt.prefix)
    source = IdField(Source.prefix, source="source_id")  # type: ignore[assignment]
    secret = IdField(SourceSecret.prefix, source="secret_id", allow_null=True)
    state = serializers.CharField()
    handled_by = serializers.ListField(child=serializers.CharField(), allow_null=True)

    class Meta:
        model = Receipt
        fields = [
            *("id", "source", "state", "message_id", "event_type", "order_key", "content_type", "headers"),
            "secret",
            *("size", "sha256", "received_at", "due_at", "attempts", "last_error", "processed_at", "handled_by"),
            *("dead_at", "cause", "out_of_order", "skipped"),
        ]
        read_only_fields = fields


class ReceiptReplaySerializer(StrictSerializer):
    """The receipts to replay, by the filters of the list; with ``preview`` they are only counted."""

    filter = ObjectField(required=False, default=dict)
    preview = BooleanField(required=False, default=False)


class ReceiptReplayResultSerializer(serializers.Serializer[Any]):
    """The number of receipts made due, and of those that remain for another call (10,000: at least that many)."""

    replayed = serializers.IntegerField()
    remaining = serializers.IntegerField()


@extend_schema_serializer(component_name="ReceiptReplayPreview")
class ReceiptReplayPreviewSerializer(serializers.Serializer[Any]):
    """The number of receipts that a replay would make due (10,000: at least that many)."""

    total = serializers.IntegerField()
