"""Serialize dead letters."""

from rest_framework import serializers

from delivery.api.included import IncludingSerializer
from delivery.models import DeadLetter, Delivery, Event, Replay
from subscriptions.models import Endpoint
from webhooks.kit.rest.serializers import IdField


class DeadLetterSerializer(IncludingSerializer[DeadLetter]):
    """A delivery that failed permanently, with the cause. Create a replay to send it again."""

    id = IdField(DeadLetter.prefix)
    delivery = IdField(Delivery.prefix, source="delivery_id", help_text="Id of the delivery that failed.")
    event = IdField(Event.prefix, source="delivery.event_id", help_text="Id of the event.")
    type = serializers.CharField(source="delivery.event.type", help_text="Type of the event, such as `order.paid`.")
    endpoint = IdField(Endpoint.prefix, source="endpoint_id", help_text="Id of the endpoint.")
    state = serializers.SerializerMethodField(help_text="`open`, or `replayed` once it has been sent again.")
    attempts_made = serializers.IntegerField(
        source="attempts", help_text="Attempts made, including those before earlier replays."
    )
    replay = IdField(
        Replay.prefix, source="replay_id", allow_null=True, help_text="Id of the replay that sent it again; null: none."
    )

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
