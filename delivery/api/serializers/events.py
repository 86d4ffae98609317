"""Serialize events, and the results of publishing them."""

from typing import Any

from rest_framework import serializers

from delivery.api.included import IncludingSerializer
from delivery.models import Event
from webhooks.kit.rest.serializers import IdField


class WarningSerializer(serializers.Serializer[Any]):
    """A place where the data of an event violates the schema of its type."""

    pointer = serializers.CharField(allow_blank=True, help_text="A JSON pointer (RFC 6901).")
    detail = serializers.CharField()


class PublishedSerializer(serializers.Serializer[Any]):
    """The result of one event. ``duplicate``: it was published before, and ``id`` is that of the first."""

    id = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # the stubs have an option of this name
    event_id = serializers.CharField()
    duplicate = serializers.BooleanField()
    deliveries = serializers.IntegerField(help_text="Number of deliveries that were created.")
    warnings = WarningSerializer(
        many=True, required=False, help_text="Violations of the type's schema; absent without."
    )


class EventSerializer(IncludingSerializer[Event]):
    """A published event; ``event_id`` is the CloudEvent's own id."""

    id = IdField(Event.prefix)

    class Meta:
        model = Event
        fields = ["id", "source", "event_id", "type", "subject", "created_at", "payload_deleted_at"]
        read_only_fields = fields


class EventDetailSerializer(EventSerializer):
    """An event with the CloudEvent as it is sent."""

    warnings = WarningSerializer(many=True, allow_null=True, help_text="Violations of the type's schema; null: none.")
    event = serializers.JSONField()

    class Meta(EventSerializer.Meta):
        fields = [*EventSerializer.Meta.fields, "warnings", "event"]
        read_only_fields = fields
