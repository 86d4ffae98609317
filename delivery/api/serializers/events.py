"""Serialize events, and the results of publishing them."""

from typing import Any

from rest_framework import serializers

from delivery.api.included import IncludingSerializer
from delivery.models import Event
from webhooks.kit.rest.serializers import IdField


class SchemaWarningSerializer(serializers.Serializer[Any]):
    """A place where the data of an event violates the schema of its type."""

    pointer = serializers.CharField(
        allow_blank=True, help_text="Place in the data, as a JSON pointer (RFC 6901): `/total`."
    )
    detail = serializers.CharField(help_text="What is wrong there.")


class PublishResultSerializer(serializers.Serializer[Any]):
    """The result of publishing one event."""

    id = serializers.CharField(help_text="Id of the event in this API; of a duplicate, the id of the first.")
    source = serializers.CharField(  # type: ignore[assignment]  # the stubs have an option of this name
        help_text="Source of the CloudEvent."
    )
    event_id = serializers.CharField(help_text="The CloudEvent's own id.")
    duplicate = serializers.BooleanField(
        help_text="Whether an event with this source and id was accepted before. Nothing is sent again."
    )
    deliveries = serializers.IntegerField(
        help_text="Deliveries created: one for each endpoint that receives the event."
    )
    warnings = SchemaWarningSerializer(
        many=True, required=False, help_text="Violations of the schema of the event's type; absent if there are none."
    )


class EventSerializer(IncludingSerializer[Event]):
    """An event that was accepted, without its data."""

    id = IdField(Event.prefix)

    class Meta:
        model = Event
        fields = ["id", "source", "event_id", "type", "subject", "created_at", "payload_deleted_at"]
        read_only_fields = fields


class EventDetailSerializer(EventSerializer):
    """An event that was accepted, with the CloudEvent as it is signed and sent."""

    warnings = SchemaWarningSerializer(
        many=True,
        allow_null=True,
        help_text="Violations of the schema of the event's type; null: none, or the type has no schema.",
    )
    event = serializers.JSONField(
        help_text="The CloudEvent as JSON, byte for byte as it is sent; without data once that is deleted."
    )

    class Meta(EventSerializer.Meta):
        fields = [*EventSerializer.Meta.fields, "warnings", "event"]
        read_only_fields = fields
