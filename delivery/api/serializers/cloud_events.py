"""Serialize events as they are published and as they are sent, for the OpenAPI description only.

No request is parsed by these serializers: ``webhooks.wire`` reads and checks the bytes of an event.
"""

from typing import Any

from rest_framework import serializers

from delivery.publishing.prepare import MAX_ATTRIBUTE_BYTES

TYPE_HELP = "Type of the event, such as `order.paid`. Subscriptions select events by it."
ID_HELP = "Your own id of the event, unique within its source; the same again is a duplicate and is not sent."
SOURCE_HELP = "What published the event, as a URI reference such as `/orders`."
SPEC_VERSIONS = [("1.0", "CloudEvents 1.0")]


class EventCreateSerializer(serializers.Serializer[Any]):
    """An event to publish. Only `type` is required; id, source and time are filled in. Other members are rejected."""

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
    deliver_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="When to deliver the event, up to 366 days ahead; the subscriptions are matched then. It is not part "
        "of the event that is sent. In a CloudEvent: the attribute `waypostdeliverat`. Default: at once.",
    )
    tenant = serializers.CharField(
        required=False,
        help_text="With a platform key: id or `uid` of the tenant that the event is published for, if `Waypost-Tenant` "
        "names none. It is not part of the event that is sent.",
    )
    extensions = serializers.DictField(
        required=False,
        allow_null=True,
        help_text="Extension attributes of the CloudEvent: names of lower-case letters and digits, with strings, "
        'integers or booleans. Example: `{"partitionkey": "A-17"}`.',
    )
    specversion = serializers.ChoiceField(
        SPEC_VERSIONS, required=False, allow_null=True, help_text="Version of the CloudEvents specification."
    )
    datacontenttype = serializers.CharField(
        required=False, allow_null=True, help_text="Media type of the data. Default: `application/json`."
    )
    dataschema = serializers.CharField(required=False, allow_null=True, help_text="URI of a schema of the data.")


class CloudEventSerializer(serializers.Serializer[Any]):
    """An event in the JSON format of CloudEvents 1.0, as it is signed and sent. It may have extension attributes."""

    specversion = serializers.ChoiceField(SPEC_VERSIONS, help_text="Version of the CloudEvents specification.")
    id = serializers.CharField(help_text="The event's own id, unique within its source.")
    source = serializers.CharField(help_text=SOURCE_HELP)  # type: ignore[assignment]  # as above
    type = serializers.CharField(help_text=TYPE_HELP)
    time = serializers.DateTimeField(required=False, help_text="When it happened.")
    subject = serializers.CharField(required=False, help_text="What the event is about, such as an order's id.")
    datacontenttype = serializers.CharField(
        required=False, help_text="Media type of the data. Default: `application/json`."
    )
    dataschema = serializers.CharField(required=False, help_text="URI of a schema of the data.")
    data = serializers.JSONField(  # type: ignore[assignment]  # as above
        required=False, help_text="The data, any JSON value; absent if there is none or it is deleted."
    )
    data_base64 = serializers.CharField(required=False, help_text="Binary data in base64, in place of `data`.")
