"""The forms in which events are published, and what is answered: for the description only; nothing is read by these.

What may stand in an event is for ``webhooks.wire`` to judge, over the bytes.
"""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer
from rest_framework import serializers

from delivery.api.serializers.events import PublishedSerializer
from delivery.publishing.prepare import MAX_ATTRIBUTE_BYTES
from webhooks.wire.cloudevents.http_modes import BATCH, MAX_BATCH, STRUCTURED

__all__ = ["ANSWERS", "EXAMPLES", "FORMS"]

ORDER = {"number": "A-17", "total": 129.5}


class PlainEventSerializer(serializers.Serializer[Any]):
    """The least there has to be: a type. What is missing (or null) of id, source and time is filled in."""

    type = serializers.CharField(max_length=MAX_ATTRIBUTE_BYTES["type"])
    id = serializers.CharField(required=False, allow_null=True, max_length=MAX_ATTRIBUTE_BYTES["id"])
    source = serializers.CharField(  # type: ignore[assignment]  # called as the stubs call an option
        required=False, allow_null=True, max_length=MAX_ATTRIBUTE_BYTES["source"]
    )
    time = serializers.DateTimeField(required=False, allow_null=True)
    subject = serializers.CharField(required=False, allow_null=True, max_length=MAX_ATTRIBUTE_BYTES["subject"])
    data = serializers.JSONField(required=False)  # type: ignore[assignment]  # as above


class CloudEventSerializer(PlainEventSerializer):
    """An event in the JSON format of CloudEvents 1.0; attributes of your own may stand beside these."""

    specversion = serializers.ChoiceField([("1.0", "CloudEvents 1.0")])
    id = serializers.CharField(max_length=MAX_ATTRIBUTE_BYTES["id"])
    source = serializers.CharField(max_length=MAX_ATTRIBUTE_BYTES["source"])
    datacontenttype = serializers.CharField(required=False, allow_null=True)
    dataschema = serializers.CharField(required=False, allow_null=True)
    data_base64 = serializers.CharField(required=False, allow_null=True)


class ProblemOfItemSerializer(serializers.Serializer[Any]):
    """Why one event of a batch was not taken: the problem that it would be alone."""

    error = serializers.DictField()


class PublishedBatchSerializer(serializers.Serializer[Any]):
    """What became of each event of a batch, in its order."""

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
ANSWERS = {
    202: PolymorphicProxySerializer(
        component_name="Taken",
        serializers=[PublishedSerializer, PublishedBatchSerializer],
        resource_type_field_name=None,
    )
}
EXAMPLES = [
    OpenApiExample(
        "As little as possible",
        {"type": "order.paid", "data": ORDER},
        request_only=True,
        media_type="application/json",
    ),
    OpenApiExample(
        "A CloudEvent",
        {"specversion": "1.0", "id": "A-17", "source": "/orders", "type": "order.paid", "data": ORDER},
        request_only=True,
        media_type=STRUCTURED,
    ),
]
