"""What may be asked of each list, as the parameters of its address."""

from typing import Any

from rest_framework import serializers

from delivery.models import DeadLetter, Delivery, Replay

__all__ = ["DeadLetterQuery", "DeliveryQuery", "EventQuery", "ReplayQuery", "WindowQuery"]


class WindowQuery(serializers.Serializer[Any]):
    """From ``since`` (included) until ``until`` (not included)."""

    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


class EventQuery(WindowQuery):
    """``source`` with ``event_id`` finds one event at once."""

    source = serializers.CharField(required=False)  # type: ignore[assignment]  # as above
    event_id = serializers.CharField(required=False)
    type = serializers.CharField(required=False)


class DeliveryQuery(WindowQuery):
    endpoint = serializers.CharField(required=False, help_text="An endpoint's id or uid.")
    event = serializers.CharField(required=False, help_text="An event's id.")
    state = serializers.ChoiceField(Delivery.State.choices, required=False)


class DeadLetterQuery(WindowQuery):
    endpoint = serializers.CharField(required=False, help_text="An endpoint's id or uid.")
    cause = serializers.ChoiceField(DeadLetter.Cause.choices, required=False)
    state = serializers.ChoiceField([("open", "Not brought back yet"), ("redriven", "Brought back")], required=False)


class ReplayQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(Replay.State.choices, required=False)
