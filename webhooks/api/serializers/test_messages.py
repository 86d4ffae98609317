"""Serialize test messages and their results."""

from typing import Any

from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from webhooks.api.serializers.receipts import ReceiptSerializer
from webhooks.api.serializers.rejections import RejectionSerializer
from webhooks.kit.rest.fields.scalars import MultilineTextField, TextField
from webhooks.kit.rest.serializers import StrictSerializer


class TestMessageCreateSerializer(StrictSerializer):
    """A test message to send to a source."""

    event_type = TextField(
        required=False,
        max_length=256,
        validators=[RegexValidator(r"\A[!-~]+\Z", "Must be visible ASCII characters.")],
        help_text="Event type of the message. Default: that of the scheme's sample.",
    )
    body = MultilineTextField(
        required=False,
        max_length=64 * 1024,
        trim_whitespace=False,
        help_text="Body of the message. Default: the scheme's sample.",
    )


@extend_schema_serializer(component_name="TestMessageResult")
class TestMessageSerializer(serializers.Serializer[Any]):
    """The result of a test message."""

    url = serializers.CharField(help_text="URL of the request.")
    headers = serializers.DictField(
        child=serializers.CharField(), help_text="Request headers, by name; credentials are removed."
    )
    body = serializers.CharField(help_text="Request body.")
    status = serializers.IntegerField(help_text="HTTP status of the response.")
    response = serializers.CharField(help_text="Response body.")
    receipt = ReceiptSerializer(allow_null=True, help_text="Receipt of the message; null: it was rejected.")
    rejection = RejectionSerializer(allow_null=True, help_text="Rejection of the message; null: it was stored.")
