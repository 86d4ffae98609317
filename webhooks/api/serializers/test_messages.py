"""Serialize test messages and their results."""

from typing import Any

from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from webhooks.api.serializers.receipts import ReceiptSerializer
from webhooks.api.serializers.rejections import RejectionSerializer
from webhooks.kit.rest.serializers import MultilineTextField, StrictSerializer, TextField


class TestMessageCreateSerializer(StrictSerializer):
    """A test message: its event type, and a body in place of the sample's."""

    event_type = TextField(
        required=False, max_length=256, validators=[RegexValidator(r"\A[!-~]+\Z", "Must be visible ASCII characters.")]
    )
    body = MultilineTextField(required=False, max_length=64 * 1024, trim_whitespace=False)


@extend_schema_serializer(component_name="TestMessageResult")
class TestMessageSerializer(serializers.Serializer[Any]):
    """The request (without credentials), the response, and the receipt or rejection of a test message."""

    url = serializers.CharField()
    headers = serializers.DictField(child=serializers.CharField())
    body = serializers.CharField()
    status = serializers.IntegerField()
    response = serializers.CharField()
    receipt = ReceiptSerializer(allow_null=True)
    rejection = RejectionSerializer(allow_null=True)
