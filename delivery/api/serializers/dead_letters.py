"""Serialize dead letters, and the jobs that discard or acknowledge many."""

from rest_framework import serializers

from delivery.api.included import IncludingSerializer
from delivery.models import DeadLetter, DeadLetterJob, Delivery, Event, Replay
from delivery.replaying.closing import MAX_NOTE
from subscriptions.models import Endpoint
from webhooks.kit.rest.fields.json_values import ObjectField
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import ChoiceField, TextField
from webhooks.kit.rest.selection import SelectionSerializer
from webhooks.kit.rest.serializers import StrictSerializer


class DeadLetterSerializer(IncludingSerializer[DeadLetter]):
    """A delivery that failed permanently, with the cause. Create a replay to send it again."""

    id = IdField(DeadLetter.prefix)
    delivery = IdField(Delivery.prefix, source="delivery_id", help_text="Id of the delivery that failed.")
    event = IdField(Event.prefix, source="delivery.event_id", help_text="Id of the event.")
    type = serializers.CharField(source="delivery.event.type", help_text="Type of the event, such as `order.paid`.")
    endpoint = IdField(Endpoint.prefix, source="endpoint_id", help_text="Id of the endpoint.")
    state = serializers.ChoiceField(
        DeadLetter.State.choices,
        read_only=True,
        help_text="What was done about it. Open and acknowledged ones can be replayed.",
    )
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
            "acknowledged_at",
            "acknowledged_by",
            "closed_at",
            "closed_by",
            "note",
            "replay",
        ]
        read_only_fields = fields


class DeadLetterNoteSerializer(StrictSerializer):
    """Why dead letters are acknowledged or discarded."""

    note = TextField(
        required=False,
        allow_blank=True,
        default="",
        max_length=MAX_NOTE,
        help_text='Why, for those who read it later: `"Test data of the migration"`. Left out: an earlier note stays.',
    )


class DeadLetterJobSerializer(serializers.ModelSerializer[DeadLetterJob]):
    """A request to discard or acknowledge many dead letters, with its progress: `changed` of `total`."""

    id = IdField(DeadLetterJob.prefix)

    class Meta:
        model = DeadLetterJob
        fields = [
            "id",
            "state",
            "operation",
            "filter",
            "note",
            "total",
            "changed",
            "requested_by",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields


class DeadLetterSelectionSerializer(SelectionSerializer):
    """The dead letters to change, by a filter. Without conditions `"all": true` selects all that are not closed."""

    operation = ChoiceField(DeadLetterJob.Operation.choices, help_text="What is done with them.")
    filter = ObjectField(
        default=dict,
        help_text="Conditions that all have to be met, as those of a replay of dead letters: `ids`, `endpoint`, "
        "`labels`, `type`, `cause`, `state`, `since`, `until`, `attempted_since`, `attempted_until`. "
        'Example: `{"endpoint": "main", "cause": "expired"}`.',
    )


class DeadLetterJobCreateSerializer(DeadLetterSelectionSerializer, DeadLetterNoteSerializer):
    """The dead letters to change, and why."""
