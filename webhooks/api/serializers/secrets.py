"""Serialize the secrets of a source; the value of a secret is in the response that creates it, and in no other."""

from rest_framework import serializers

from webhooks.kit.rest.serializers import IdField, IntegerField, MultilineTextField, StrictSerializer
from webhooks.models import SourceSecret
from webhooks.sources.secret_rotation import DEFAULT_OVERLAP, MAX_OVERLAP, MAX_SECRET_LENGTH


class SourceSecretSerializer(serializers.ModelSerializer[SourceSecret]):
    """A secret of a source, without its value."""

    id = IdField(SourceSecret.prefix, read_only=True)

    class Meta:
        model = SourceSecret
        fields = ["id", "created_at", "expires_at"]
        read_only_fields = fields


class SecretWithValueSerializer(SourceSecretSerializer):
    """A new secret with its value, which is not shown again."""

    secret = serializers.CharField()

    class Meta(SourceSecretSerializer.Meta):
        fields = [*SourceSecretSerializer.Meta.fields, "secret"]
        read_only_fields = fields


class SecretCreateSerializer(StrictSerializer):
    """A rotation: the new secret (generated if left out, where the scheme allows it) and the overlap in seconds."""

    secret = MultilineTextField(required=False, max_length=MAX_SECRET_LENGTH, trim_whitespace=False)
    overlap_seconds = IntegerField(required=False, default=DEFAULT_OVERLAP, min_value=0, max_value=MAX_OVERLAP)
