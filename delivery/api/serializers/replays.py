"""Serialize replays, their previews, and what they select."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from delivery.models import Replay
from delivery.replaying.replay_status import ReplayedStates, states_of
from delivery.replaying.replays import DEFAULT_RATE, MAX_RATE
from subscriptions.models import Endpoint
from webhooks.kit.rest.fields.json_values import ObjectField
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import ChoiceField, IntegerField
from webhooks.kit.rest.selection import SelectionCountSerializer, SelectionSerializer


class ReplaySerializer(serializers.ModelSerializer[Replay]):
    """A request to send dead letters or past events again, with its progress: `replayed` of `total` deliveries."""

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
            "error",
            "requested_by",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields


WARNINGS = serializers.ListField(
    child=serializers.CharField(),
    help_text="Endpoints that do not get what is sent to them now, because they are disabled, paused or not verified.",
)


class ReplayedStatesSerializer(serializers.Serializer[ReplayedStates]):
    """The deliveries that a replay re-queued, by their state now."""

    pending = serializers.IntegerField(help_text="Waiting for their next attempt.")
    sending = serializers.IntegerField(help_text="Being sent.")
    delivered = serializers.IntegerField(help_text="Delivered.")
    dead = serializers.IntegerField(help_text="Failed permanently again.")
    cancelled = serializers.IntegerField(help_text="Cancelled.")
    superseded = serializers.IntegerField(help_text="Superseded by a newer delivery of their key.")
    is_lower_bound = serializers.BooleanField(help_text="Whether counting stopped at 100,000 deliveries.")


class ReplayDetailSerializer(ReplaySerializer):
    """A replay with what became of its deliveries."""

    deliveries = serializers.SerializerMethodField(
        help_text="What became of its deliveries. One that a later replay sent again counts there."
    )
    warnings = WARNINGS

    class Meta(ReplaySerializer.Meta):
        fields = [*ReplaySerializer.Meta.fields, "deliveries", "warnings"]
        read_only_fields = fields

    @extend_schema_field(ReplayedStatesSerializer)
    def get_deliveries(self, row: Replay) -> dict[str, Any]:
        return states_of(row)._asdict()


class ReplaySelectionSerializer(SelectionSerializer):
    """The selection to send again, by a filter. Without conditions `"all": true` selects everything in the scope."""

    options = frozenset({"force"})

    scope = ChoiceField(
        Replay.Scope.choices,
        default=Replay.Scope.DEAD_LETTERS,
        help_text="What to select: dead letters, past events, or archived ones.",
    )
    filter = ObjectField(
        default=dict,
        help_text="Conditions that all have to be met. `ids`: list of up to 10,000 ids of dead letters, or in the "
        "other scopes of events (`evt_...`, or their own ids); an unknown id is an error. `endpoint`: id or `uid`; "
        "`labels`: those that the endpoints have; `type`: event type, `order.*` or `*`; `since` (included) and "
        "`until` (excluded): times with an offset. For dead letters: `cause`; "
        "`state` (open, acknowledged; both without it); `attempted_since` and `attempted_until`: an attempt failed in "
        "this period, which is that of the outage, where `since` and `until` are when the last attempt had failed. "
        "For events: `source`, `subject`, and `force` (true: send to `endpoint` even if it does not subscribe). "
        'Example: `{"endpoint": "main", "since": "2030-01-31T12:00:00Z"}`.',
    )


class ReplayCreateSerializer(ReplaySelectionSerializer):
    """The selection to send again, by a filter or `"all": true`, and the rate."""

    rate = IntegerField(
        min_value=1, max_value=MAX_RATE, default=DEFAULT_RATE, help_text="Deliveries per second, at most."
    )


class ReplayEndpointSerializer(serializers.Serializer[Any]):
    """An endpoint and how many dead letters of it a replay would send, of the first 20,000."""

    endpoint = IdField(Endpoint.prefix, source="endpoint.id", help_text="Id of the endpoint.")
    count = serializers.IntegerField(help_text="Dead letters.")


class ReplayTypeSerializer(serializers.Serializer[Any]):
    """An event type and how many dead letters of it a replay would send, of the first 20,000."""

    type = serializers.CharField(help_text="Event type.")
    count = serializers.IntegerField(help_text="Dead letters.")


class ReplayPreviewSerializer(SelectionCountSerializer):
    """The number of deliveries that a replay would send."""

    estimated = serializers.BooleanField(
        help_text="Whether the total is extrapolated from the first of very many events."
    )
    oldest = serializers.DateTimeField(
        allow_null=True, help_text="When the first of them failed, or was published; null: nothing matches."
    )
    newest = serializers.DateTimeField(allow_null=True, help_text="The same of the last.")
    endpoints = ReplayEndpointSerializer(
        many=True, help_text="The 10 endpoints with the most dead letters; empty for past events."
    )
    types = ReplayTypeSerializer(
        many=True, help_text="The 10 event types with the most dead letters; empty for past events."
    )
    left_out = serializers.IntegerField(
        help_text="Dead letters that match and are not sent, because their endpoints are disabled; they stay open."
    )
    warnings = WARNINGS
