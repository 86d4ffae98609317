"""Serialize the secrets of a source; the value of a secret is in the response that creates it, and in no other."""

from rest_framework import serializers

from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import IntegerField, MultilineTextField, TextField
from webhooks.kit.rest.serializers import StrictSerializer
from webhooks.models import SourceSecret
from webhooks.sources.secret_rotation import DEFAULT_OVERLAP, MAX_OVERLAP, MAX_SECRET_LENGTH


class SourceSecretSerializer(serializers.ModelSerializer[SourceSecret]):
    """A secret that messages of a source are verified with, without its value."""

    id = IdField(SourceSecret.prefix, read_only=True)

    class Meta:
        model = SourceSecret
        fields = ["id", "name", "created_at", "expires_at", "is_received"]
        read_only_fields = fields


class SourceSecretWithValueSerializer(SourceSecretSerializer):
    """A new secret of a source with its value, which is not shown again."""

    secret = serializers.CharField(help_text="Value of the secret. Store it now: it is not shown again.")

    class Meta(SourceSecretSerializer.Meta):
        fields = [*SourceSecretSerializer.Meta.fields, "secret"]
        read_only_fields = fields


class SourceSecretCreateSerializer(StrictSerializer):
    """The rotation of a source's secret."""

    name = TextField(
        required=False,
        default="",
        allow_blank=True,
        max_length=64,
        help_text="What the secret is for, such as `live` or `test`. It replaces only the secrets of this name; those "
        "of other names stay. Default: none.",
    )

    secret = MultilineTextField(
        required=False,
        max_length=MAX_SECRET_LENGTH,
        help_text="New secret, as the sender shows it; white space around it is removed. Default: generated, if the "
        "scheme is `standard`.",
    )
    overlap_seconds = IntegerField(
        required=False,
        default=DEFAULT_OVERLAP,
        min_value=0,
        max_value=MAX_OVERLAP,
        help_text="Seconds for which older secrets are still accepted. Default: 86,400 (one day); at most 30 days.",
    )
