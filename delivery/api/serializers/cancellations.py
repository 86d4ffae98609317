"""Serialize cancellations of many deliveries."""

from typing import Any

from rest_framework import serializers

from webhooks.kit.rest.serializers import StrictSerializer

__all__ = [
    "CancellationSerializer",
    "CancelledSerializer",
]


class CancellationSerializer(StrictSerializer):
    """Which deliveries to cancel: ``filter`` may be empty (everything that has not ended), but has to be said."""

    filter = serializers.DictField(
        help_text="Any of ids (of deliveries), endpoint (its id or uid), type, since, until (when they were owed)."
    )


class CancelledSerializer(serializers.Serializer[Any]):
    """So many deliveries. ``more``: there are others; ask again."""

    total = serializers.IntegerField()
    has_more = serializers.BooleanField()
