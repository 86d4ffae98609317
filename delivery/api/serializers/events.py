"""Serialize events, and the results of publishing them."""

from typing import Any

from rest_framework import serializers

from delivery.api.included import IncludingSerializer
from delivery.api.serializers.cloud_events import CloudEventSerializer
from delivery.models import Event
from webhooks.kit.rest.fields.references import IdField

ROUTING_HELP = (
    "`routed`: the deliveries of the event are created. `deferred`: the event is accepted, and a worker creates its "
    "deliveries, because doing so at once would exceed a limit of publishing. `scheduled`: they are created at "
    "`deliver_at`. `cancelled`: it was cancelled before that."
)


class SchemaWarningSerializer(serializers.Serializer[Any]):
    """Show a fault of an event that was tolerated: data that violates the schema, or a type that is unknown."""

    pointer = serializers.CharField(
        allow_blank=True,
        help_text="Place in the event, as a JSON pointer (RFC 6901): `#/data/total`, `#/type`.",
    )
    detail = serializers.CharField(help_text="What is wrong there.")


class PublishResultSerializer(serializers.Serializer[Any]):
    """The result of publishing one event."""

    id = serializers.CharField(help_text="Id of the event in this API; of a duplicate, the id of the first.")
    source = serializers.CharField(  # type: ignore[assignment]  # the stubs have an option of this name
        help_text="Source of the CloudEvent."
    )
    event_id = serializers.CharField(
        help_text="The CloudEvent's own id (`id` of the event that is sent), which you chose or we did. Accepted in "
        "paths and filters in place of `id`."
    )
    duplicate = serializers.BooleanField(
        help_text="Whether an event with this source and id was accepted before. Nothing is sent again."
    )
    routing = serializers.ChoiceField(Event.Routing.choices, help_text=ROUTING_HELP)
    deliveries = serializers.IntegerField(
        help_text="Deliveries of the event: one for each endpoint that receives it; of a duplicate, the first. "
        "0 while routing is `deferred` or `scheduled`."
    )
    warnings = SchemaWarningSerializer(
        many=True, required=False, help_text="What is wrong and was tolerated; absent if there is nothing."
    )


class EventSerializer(IncludingSerializer[Event]):
    """An event that was accepted, without its data."""

    id = IdField(Event.prefix)
    routing = serializers.ChoiceField(Event.Routing.choices, read_only=True, help_text=ROUTING_HELP)

    deliver_at = serializers.DateTimeField(
        source="delay.deliver_at",
        read_only=True,
        allow_null=True,
        help_text="When its deliveries are created; null: when it was published.",
    )

    class Meta:
        model = Event
        fields = [
            "id",
            "source",
            "event_id",
            "type",
            "subject",
            "created_at",
            "deliver_at",
            "routing",
            "payload_deleted_at",
        ]
        read_only_fields = fields


class EventDetailSerializer(EventSerializer):
    """An event that was accepted, with the CloudEvent as it is signed and sent."""

    warnings = SchemaWarningSerializer(
        many=True,
        allow_null=True,
        help_text="What is wrong with the event and was tolerated: a type that is not in the catalogue, or data that "
        "violates the schema of its type. Null: nothing.",
    )
    event = CloudEventSerializer(
        help_text="The CloudEvent as JSON, byte for byte as it is sent; without data once that is deleted."
    )

    class Meta(EventSerializer.Meta):
        fields = [*EventSerializer.Meta.fields, "warnings", "event"]
        read_only_fields = fields
