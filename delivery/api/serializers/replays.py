"""Serialize replays, their previews, and what they select."""

from typing import Any

from rest_framework import serializers

from delivery.models import Replay
from delivery.replaying.replays import DEFAULT_RATE, MAX_RATE
from webhooks.kit.rest.serializers import ChoiceField, IdField, IntegerField, StrictSerializer

__all__ = [
    "ReplayCreateSerializer",
    "ReplayPreviewSerializer",
    "ReplaySelectionSerializer",
    "ReplaySerializer",
]


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


class ReplaySelectionSerializer(StrictSerializer):
    """What to send again: ``filter`` may be empty (everything), but has to be said."""

    scope = ChoiceField(
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

    rate = IntegerField(min_value=1, max_value=MAX_RATE, default=DEFAULT_RATE, help_text="Deliveries per second.")


class ReplayPreviewSerializer(serializers.Serializer[Any]):
    """How many deliveries that would be. ``estimated``: carried forward from the first of very many events."""

    total = serializers.IntegerField()
    estimated = serializers.BooleanField()
