"""A message one sends oneself, and what became of it."""

from typing import Any

from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from webhooks.api.serializers.receipts import ReceiptSerializer, RejectionSerializer
from webhooks.kit.strict import Line, Strict, TextField


class TestMessageCreateSerializer(Strict):
    """A test message: what it says it is about, and a body in place of the sample's."""

    event_type = Line(required=False, max_length=256, validators=[RegexValidator(r"\A[!-~]+\Z", "Visible ASCII only.")])
    body = TextField(required=False, max_length=64 * 1024, trim_whitespace=False)


@extend_schema_serializer(component_name="SourceTrial")
class TestMessageSerializer(serializers.Serializer[Any]):
    """What was sent (without credentials), what was answered, and what became of it."""

    url = serializers.CharField()
    headers = serializers.DictField(child=serializers.CharField())
    body = serializers.CharField()
    status = serializers.IntegerField()
    response = serializers.CharField()
    receipt = ReceiptSerializer(allow_null=True)
    rejection = RejectionSerializer(allow_null=True)
