"""Describe the forms in which events are published, and the responses, for the OpenAPI description only.

No request is parsed by these serializers: ``webhooks.wire`` reads and checks the bytes of an event.
"""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer
from rest_framework import serializers

from delivery.api.serializers.events import PublishResultSerializer
from delivery.publishing.prepare import MAX_ATTRIBUTE_BYTES
from webhooks.wire.cloudevents.http_modes import BATCH, MAX_BATCH, STRUCTURED

TYPE_HELP = "Type of the event, such as `order.paid`. Subscriptions select events by it."
ID_HELP = "Your own id of the event, unique within its source; the same again is a duplicate and is not sent."
SOURCE_HELP = "What published the event, as a URI reference such as `/orders`."
SPEC_VERSIONS = [("1.0", "CloudEvents 1.0")]
ORDER = {"number": "A-17", "total": 129.5}


class PlainEventSerializer(serializers.Serializer[Any]):
    """An event in its shortest form. Only `type` is required; id, source and time are filled in."""

    type = serializers.CharField(max_length=MAX_ATTRIBUTE_BYTES["type"], help_text=TYPE_HELP)
    id = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=MAX_ATTRIBUTE_BYTES["id"],
        help_text=f"{ID_HELP} Default: a new id, which makes the event a new one every time.",
    )
    source = serializers.CharField(  # type: ignore[assignment]  # called as the stubs call an option
        required=False,
        allow_null=True,
        max_length=MAX_ATTRIBUTE_BYTES["source"],
        help_text=f"{SOURCE_HELP} Default: `urn:waypost:` and the tenant's id.",
    )
    time = serializers.DateTimeField(
        required=False, allow_null=True, help_text="When it happened. Default: the time of publishing."
    )
    subject = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=MAX_ATTRIBUTE_BYTES["subject"],
        help_text="What the event is about, such as an order's id. Endpoints can order their deliveries by it.",
    )
    data = serializers.JSONField(  # type: ignore[assignment]  # as above
        required=False, help_text="Any JSON value, in the form that the schema of the type describes."
    )


class CloudEventSerializer(PlainEventSerializer):
    """An event in the JSON format of CloudEvents 1.0. Extension attributes are allowed."""

    specversion = serializers.ChoiceField(SPEC_VERSIONS, help_text="Version of the CloudEvents specification.")
    id = serializers.CharField(max_length=MAX_ATTRIBUTE_BYTES["id"], help_text=ID_HELP)
    source = serializers.CharField(max_length=MAX_ATTRIBUTE_BYTES["source"], help_text=SOURCE_HELP)
    datacontenttype = serializers.CharField(
        required=False, allow_null=True, help_text="Media type of the data. Default: `application/json`."
    )
    dataschema = serializers.CharField(
        required=False, allow_null=True, help_text="URI of a schema of the data; passed on, not checked."
    )
    data_base64 = serializers.CharField(
        required=False, allow_null=True, help_text="Binary data in base64, in place of `data`."
    )


class RejectedEventSerializer(serializers.Serializer[Any]):
    """An event of a batch that was rejected, with the reason."""

    error = serializers.DictField(
        help_text="Problem details (RFC 9457), as the event alone would get them: `type`, `title`, `status`, `detail`."
    )


class PublishBatchResultSerializer(serializers.Serializer[Any]):
    """The results of publishing a batch, one for each event."""

    data = serializers.ListField(  # type: ignore[assignment]  # as above
        child=PolymorphicProxySerializer(
            component_name="PublishBatchItem",
            serializers=[PublishResultSerializer, RejectedEventSerializer],
            resource_type_field_name=None,
        ),
        help_text="One result for each event, in the order of the batch.",
    )
    accepted = serializers.IntegerField(help_text="Events accepted, including duplicates.")
    rejected = serializers.IntegerField(help_text="Events rejected.")


FORMS = {
    "application/json": PlainEventSerializer,
    STRUCTURED: CloudEventSerializer,
    BATCH: serializers.ListSerializer(child=CloudEventSerializer(), max_length=MAX_BATCH),
    "*/*": OpenApiTypes.BINARY,
}
RESPONSES = {
    202: PolymorphicProxySerializer(
        component_name="PublishResponse",
        serializers=[PublishResultSerializer, PublishBatchResultSerializer],
        resource_type_field_name=None,
    )
}
EXAMPLES = [
    OpenApiExample(
        "Minimal event", {"type": "order.paid", "data": ORDER}, request_only=True, media_type="application/json"
    ),
    OpenApiExample(
        "A CloudEvent",
        {"specversion": "1.0", "id": "A-17", "source": "/orders", "type": "order.paid", "data": ORDER},
        request_only=True,
        media_type=STRUCTURED,
    ),
]
