"""Serialize dead letters."""

from rest_framework import serializers

from delivery.api.included import IncludingSerializer
from delivery.models import DeadLetter, Delivery, Event, Replay
from subscriptions.models import Endpoint
from webhooks.kit.rest.serializers import IdField


class DeadLetterSerializer(IncludingSerializer[DeadLetter]):
    """A delivery that failed permanently, with the cause, and whether it was replayed since."""

    id = IdField(DeadLetter.prefix)
    delivery = IdField(Delivery.prefix, source="delivery_id")
    event = IdField(Event.prefix, source="delivery.event_id")
    type = serializers.CharField(source="delivery.event.type")
    endpoint = IdField(Endpoint.prefix, source="endpoint_id")
    state = serializers.SerializerMethodField()
    attempts_made = serializers.IntegerField(source="attempts")
    replay = IdField(Replay.prefix, source="replay_id", allow_null=True)

    class Meta:
        model = DeadLetter
        fields = [
            "id",
            "delivery",
            "event",
            "type",
            "endpoint",
            "state",
            "cause",
            "reason",
            "last_status",
            "last_error",
            "attempts_made",
            "failed_at",
            "replayed_at",
            "replayed_by",
            "replay",
        ]
        read_only_fields = fields

    def get_state(self, letter: DeadLetter) -> str:
        return "replayed" if letter.replayed_at else "open"
