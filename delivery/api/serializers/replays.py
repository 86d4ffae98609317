"""Serialize replays, their previews, and what they select."""

from typing import Any

from rest_framework import serializers

from delivery.models import Replay
from delivery.replaying.replays import DEFAULT_RATE, MAX_RATE
from webhooks.kit.rest.serializers import ChoiceField, IdField, IntegerField, StrictSerializer


class ReplaySerializer(serializers.ModelSerializer[Replay]):
    """A request to send again, and its progress: ``replayed`` of ``total`` deliveries.

    ``estimated``: the total is extrapolated from the first events.
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


class ReplaySelectionSerializer(StrictSerializer):
    """The rows to send again. ``filter`` is required; an empty one selects everything."""

    scope = ChoiceField(
        Replay.Scope.choices,
        default=Replay.Scope.DEAD_LETTERS,
        help_text="Open dead letters; or past events: all of them, or only those without a delivery to the endpoint.",
    )
    filter = serializers.DictField(
        help_text="Any of ids (of dead letters, or of events), endpoint (its id or uid), type, since, until; for dead "
        "letters also cause; for events also source, subject, and force (true: send to the endpoint even if no "
        "subscription of it matches; default: only events that match a current subscription).",
    )


class ReplayCreateSerializer(ReplaySelectionSerializer):
    """The rows to send again, and the rate."""

    rate = IntegerField(min_value=1, max_value=MAX_RATE, default=DEFAULT_RATE, help_text="Deliveries per second.")


class ReplayPreviewSerializer(serializers.Serializer[Any]):
    """The number of deliveries that match. ``estimated``: extrapolated from the first events."""

    total = serializers.IntegerField()
    estimated = serializers.BooleanField()
