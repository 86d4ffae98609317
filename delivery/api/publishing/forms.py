"""Describe the forms in which events are published, and the responses, for the OpenAPI description only.

No request is parsed by these serializers: ``webhooks.wire`` reads and checks the bytes of an event.
"""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer
from rest_framework import serializers

from delivery.api.serializers.events import PublishedSerializer
from delivery.publishing.prepare import MAX_ATTRIBUTE_BYTES
from webhooks.wire.cloudevents.http_modes import BATCH, MAX_BATCH, STRUCTURED

ORDER = {"number": "A-17", "total": 129.5}


class PlainEventSerializer(serializers.Serializer[Any]):
    """An event in the plain form: only the type is required. A missing or null id, source or time is filled in."""

    type = serializers.CharField(max_length=MAX_ATTRIBUTE_BYTES["type"])
    id = serializers.CharField(required=False, allow_null=True, max_length=MAX_ATTRIBUTE_BYTES["id"])
    source = serializers.CharField(  # type: ignore[assignment]  # called as the stubs call an option
        required=False, allow_null=True, max_length=MAX_ATTRIBUTE_BYTES["source"]
    )
    time = serializers.DateTimeField(required=False, allow_null=True)
    subject = serializers.CharField(required=False, allow_null=True, max_length=MAX_ATTRIBUTE_BYTES["subject"])
    data = serializers.JSONField(required=False)  # type: ignore[assignment]  # as above


class CloudEventSerializer(PlainEventSerializer):
    """An event in the JSON format of CloudEvents 1.0; it may have further attributes (extensions)."""

    specversion = serializers.ChoiceField([("1.0", "CloudEvents 1.0")])
    id = serializers.CharField(max_length=MAX_ATTRIBUTE_BYTES["id"])
    source = serializers.CharField(max_length=MAX_ATTRIBUTE_BYTES["source"])
    datacontenttype = serializers.CharField(required=False, allow_null=True)
    dataschema = serializers.CharField(required=False, allow_null=True)
    data_base64 = serializers.CharField(required=False, allow_null=True)


class ProblemOfItemSerializer(serializers.Serializer[Any]):
    """The problem of an event of a batch that was not accepted, as it would be for this event alone."""

    error = serializers.DictField()


class PublishedBatchSerializer(serializers.Serializer[Any]):
    """The result of each event of a batch, in order."""

    data = serializers.ListField(  # type: ignore[assignment]  # as above
        child=PolymorphicProxySerializer(
            component_name="PublishedItem",
            serializers=[PublishedSerializer, ProblemOfItemSerializer],
            resource_type_field_name=None,
        )
    )
    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()


FORMS = {
    "application/json": PlainEventSerializer,
    STRUCTURED: CloudEventSerializer,
    BATCH: serializers.ListSerializer(child=CloudEventSerializer(), max_length=MAX_BATCH),
    "*/*": OpenApiTypes.BINARY,
}
RESPONSES = {
    202: PolymorphicProxySerializer(
        component_name="PublishResult",
        serializers=[PublishedSerializer, PublishedBatchSerializer],
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
