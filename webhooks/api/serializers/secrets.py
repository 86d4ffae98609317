"""A source's secrets from outside: each is shown when it is made, and never again."""

from rest_framework import serializers

from webhooks.api.fields import IdField
from webhooks.kit.strict import Strict, TextField, Whole
from webhooks.models import SourceSecret
from webhooks.sources.secret_rotation import DAY, MAX_OVERLAP, MAX_SECRET_LENGTH


class SourceSecretSerializer(serializers.ModelSerializer[SourceSecret]):
    """A secret of a source, without the secret."""

    id = IdField(SourceSecret.prefix, read_only=True)

    class Meta:
        model = SourceSecret
        fields = ["id", "created_at", "expires_at"]
        read_only_fields = fields


class SecretWithValueSerializer(SourceSecretSerializer):
    """A secret as it is made: its text, shown here and never again."""

    secret = serializers.CharField()

    class Meta(SourceSecretSerializer.Meta):
        fields = [*SourceSecretSerializer.Meta.fields, "secret"]
        read_only_fields = fields


class SecretCreateSerializer(Strict):
    """A rotation: the new secret (left out: one is made, if the scheme allows it), and how long the old stay."""

    secret = TextField(required=False, max_length=MAX_SECRET_LENGTH, trim_whitespace=False)
    overlap_seconds = Whole(required=False, default=DAY, min_value=0, max_value=MAX_OVERLAP)
