"""Serialize replays, their previews, and what they select."""

from typing import Any

from rest_framework import serializers

from delivery.models import Replay
from delivery.replaying.replays import DEFAULT_RATE, MAX_RATE
from webhooks.kit.rest.selection import SelectionSerializer
from webhooks.kit.rest.serializers import ChoiceField, IdField, IntegerField, ObjectField


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
            "requested_by",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields


class ReplaySelectionSerializer(SelectionSerializer):
    """The selection to send again, by a filter. Without conditions `"all": true` selects everything in the scope."""

    options = frozenset({"force"})

    scope = ChoiceField(
        Replay.Scope.choices,
        default=Replay.Scope.DEAD_LETTERS,
        help_text="What to select: dead letters, or past events.",
    )
    filter = ObjectField(
        default=dict,
        help_text="Conditions that all have to be met. `ids`: list of up to 10,000 ids of dead letters, or of events "
        "in the other scopes; `endpoint`: id or `uid`; `labels`: those that the endpoints have; `type`: event type, "
        "`order.*` or `*`; `since` (included) and `until` (excluded): times with an offset. For dead letters: `cause`. "
        "For events: `source`, `subject`, and `force` (true: send to `endpoint` even if it does not subscribe). "
        'Example: `{"endpoint": "main", "since": "2030-01-31T12:00:00Z"}`.',
    )


class ReplayCreateSerializer(ReplaySelectionSerializer):
    """The selection to send again, by a filter or `"all": true`, and the rate."""

    rate = IntegerField(
        min_value=1, max_value=MAX_RATE, default=DEFAULT_RATE, help_text="Deliveries per second, at most."
    )


class ReplayPreviewSerializer(serializers.Serializer[Any]):
    """The number of deliveries that a replay would send."""

    total = serializers.IntegerField(help_text="Deliveries that match the filter.")
    estimated = serializers.BooleanField(
        help_text="Whether the total is extrapolated from the first of very many events."
    )
    is_lower_bound = serializers.BooleanField(help_text="Whether counting stopped at 100,000 rows: there may be more.")
