"""Serialize deliveries and their attempts."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from delivery.api.included import IncludingSerializer
from delivery.models import Attempt, Delivery, Event, Replay
from delivery.reading.timeline import response_text
from subscriptions.models import Endpoint
from webhooks.kit.rest.serializers import IdField


class DeliverySerializer(IncludingSerializer[Delivery]):
    """The delivery of one event to one endpoint, and its state."""

    id = IdField(Delivery.prefix)
    event = IdField(Event.prefix, source="event_id")
    endpoint = IdField(Endpoint.prefix, source="endpoint_id")
    type = serializers.CharField(source="event.type")
    attempts_made = serializers.IntegerField(source="attempts")
    replay = IdField(Replay.prefix, source="replay_id", allow_null=True)

    class Meta:
        model = Delivery
        fields = [
            "id",
            "event",
            "type",
            "endpoint",
            "state",
            "attempts_made",
            "next_attempt_at",
            "last_status",
            "last_error",
            "replay",
            "created_at",
            "cancelled_at",
            "cancelled_by",
        ]
        read_only_fields = fields


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One request and its result. ``response`` is the beginning of the response body as text."""

    id = IdField(Attempt.prefix)
    response = serializers.SerializerMethodField()
    response_truncated = serializers.SerializerMethodField()

    class Meta:
        model = Attempt
        fields = ["id", "number", "started_at", "duration_ms", "status", "error", "response", "response_truncated"]
        read_only_fields = fields

    def get_response(self, attempt: Attempt) -> str:
        return response_text(attempt.response)[0]

    def get_response_truncated(self, attempt: Attempt) -> bool:
        return response_text(attempt.response)[1]


class DeliveryDetailSerializer(DeliverySerializer):
    """A delivery with its attempts, oldest first: at most the latest 100 of them."""

    attempts = serializers.SerializerMethodField()

    class Meta(DeliverySerializer.Meta):
        fields = [*DeliverySerializer.Meta.fields, "attempts"]
        read_only_fields = fields

    @extend_schema_field(AttemptSerializer(many=True))
    def get_attempts(self, delivery: Delivery) -> list[dict[str, Any]]:
        return list(AttemptSerializer(self.context["history"], many=True).data)
