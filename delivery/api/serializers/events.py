"""Serialize events, and the results of publishing them."""

from typing import Any

from rest_framework import serializers

from delivery.api.included import IncludingSerializer
from delivery.models import Event
from webhooks.kit.rest.serializers import IdField

__all__ = [
    "EventDetailSerializer",
    "EventSerializer",
    "PublishedSerializer",
    "WarningSerializer",
]


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


class EventSerializer(IncludingSerializer[Event]):
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
