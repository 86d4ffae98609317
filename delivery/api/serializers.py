"""How the rows of the provider look from outside, and what may be sent in. What only one door shows stands beside it.

Ids are TypeIDs. No serializer here writes: what comes in goes to a verb.
"""

from typing import Any, TypeVar
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from delivery.models import Attempt, DeadLetter, Delivery, Event, Replay
from delivery.reading.timeline import response_text
from delivery.replaying.replays import DEFAULT_RATE, MAX_RATE
from subscriptions.api.fields import Choice, Strict, Whole
from subscriptions.models import Endpoint, Row
from webhooks.wire import ids

M = TypeVar("M", bound=Row)


@extend_schema_field(OpenApiTypes.STR)
class IdField(serializers.Field[UUID, str, str, Any]):
    """The key of a row as a TypeID with this prefix."""

    def __init__(self, prefix: str, **options: Any) -> None:
        super().__init__(**options)
        self.prefix = prefix

    def to_representation(self, value: UUID) -> str:
        return ids.public(self.prefix, value)


class Including(serializers.ModelSerializer[M]):
    """A row of a list, with what was asked to be included."""

    def to_representation(self, instance: M) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if asked := self.context.get("included"):
            shown["included"] = {name: self.shown(name, found[instance.pk]) for name, found in asked.items()}
        return shown

    def shown(self, name: str, found: Any) -> Any:
        """What was found for this row under this name."""
        kind = {"event": EventSerializer, "delivery": DeliverySerializer}.get(name)
        if kind is not None:
            return kind(found).data
        return (AttemptSerializer if name == "attempts" else DeliverySerializer)(found, many=True).data


class WarningSerializer(serializers.Serializer[Any]):
    """Where the data of an event does not fit the schema of its type."""

    pointer = serializers.CharField(allow_blank=True, help_text="A JSON pointer (RFC 6901).")
    detail = serializers.CharField()


class PublishedSerializer(serializers.Serializer[Any]):
    """What became of one event. ``duplicate``: it had been taken before, and ``id`` is the first one's."""

    id = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field that is called as the stubs call an option
    event_id = serializers.CharField()
    duplicate = serializers.BooleanField()
    deliveries = serializers.IntegerField(help_text="How many endpoints it is owed to.")
    warnings = WarningSerializer(many=True, required=False, help_text="Left out if there are none.")


class EventSerializer(Including[Event]):
    """An event as it was taken; ``event_id`` is the CloudEvent's own id."""

    id = IdField(Event.prefix)

    class Meta:
        model = Event
        fields = ["id", "source", "event_id", "type", "subject", "created_at", "payload_deleted_at"]
        read_only_fields = fields


class EventDetailSerializer(EventSerializer):
    """With ``event``, the CloudEvent as it is sent. For the schema only: the view splices the bytes in unread."""

    warnings = WarningSerializer(many=True, allow_null=True, help_text="Null: it fits its type, or there is no schema.")
    event = serializers.JSONField()

    class Meta(EventSerializer.Meta):
        fields = [*EventSerializer.Meta.fields, "warnings", "event"]
        read_only_fields = fields


class DeliverySerializer(Including[Delivery]):
    """One event owed to one endpoint, and how that stands."""

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
    """One POST and what came of it. ``answer`` is the beginning of the answer's body as text."""

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


class DeadLetterSerializer(Including[DeadLetter]):
    """A delivery that was given up, why, and whether it was brought back since."""

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


class ReplaySerializer(serializers.ModelSerializer[Replay]):
    """A request to send again, and how far it has come: ``replayed`` of ``total`` deliveries.

    ``estimated``: the total is carried forward from the first of very many events.
    """

    id = IdField(Replay.prefix)

    class Meta:
        model = Replay
        fields = [
            "id",
            "state",
            "scope",
            "filter",
            "rate",
            "total",
            "estimated",
            "replayed",
            "requested_by",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields


class ReplaySelectionSerializer(Strict):
    """What to send again: ``filter`` may be empty (everything), but has to be said."""

    scope = Choice(
        Replay.Scope.choices,
        default=Replay.Scope.DEAD_LETTERS,
        help_text="Open dead letters; or past events: all of them, or only those never owed to the endpoint.",
    )
    filter = serializers.DictField(
        help_text="Any of ids (of dead letters, or of events), endpoint (its id or uid), type, since, until; for dead "
        "letters also cause; for events also source, subject, and force (true: to an endpoint, whatever it subscribes "
        "to; else to those whose subscriptions want them now).",
    )


class ReplayCreateSerializer(ReplaySelectionSerializer):
    """What to send again, and how fast."""

    rate = Whole(min_value=1, max_value=MAX_RATE, default=DEFAULT_RATE, help_text="Deliveries per second.")


class ReplayPreviewSerializer(serializers.Serializer[Any]):
    """How many deliveries that would be. ``estimated``: carried forward from the first of very many events."""

    total = serializers.IntegerField()
    estimated = serializers.BooleanField()


class CancellationSerializer(Strict):
    """Which deliveries to cancel: ``filter`` may be empty (everything that has not ended), but has to be said."""

    filter = serializers.DictField(
        help_text="Any of ids (of deliveries), endpoint (its id or uid), type, since, until (when they were owed)."
    )


class CancelledSerializer(serializers.Serializer[Any]):
    """So many deliveries. ``more``: there are others; ask again."""

    total = serializers.IntegerField()
    has_more = serializers.BooleanField()
