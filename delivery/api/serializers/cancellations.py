"""Serialize cancellations of many deliveries."""

from typing import Any

from rest_framework import serializers

from webhooks.kit.rest.serializers import StrictSerializer


class CancellationSerializer(StrictSerializer):
    """The deliveries to cancel. ``filter`` is required; an empty one selects all unfinished deliveries."""

    filter = serializers.DictField(
        help_text="Any of ids (of deliveries), endpoint (id or uid), type, since and until (when they were created)."
    )


class CancelledSerializer(serializers.Serializer[Any]):
    """The number of deliveries. ``has_more``: others match as well; send the request again."""

    total = serializers.IntegerField()
    has_more = serializers.BooleanField()
