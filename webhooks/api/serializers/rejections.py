"""Serialize rejections."""

from rest_framework import serializers

from webhooks.kit.rest.fields.references import IdField
from webhooks.models import Rejection, Source, SourceSecret


class RejectionSerializer(serializers.ModelSerializer[Rejection]):
    """A request to a source that was rejected."""

    id = IdField(Rejection.prefix)
    source = IdField(  # type: ignore[assignment]
        Source.prefix, source="source_id", help_text="Id of the source."
    )
    last_valid_secret = IdField(
        SourceSecret.prefix,
        source="last_valid_secret_id",
        allow_null=True,
        help_text="Id of the secret that verified the newest valid message before this request; null: none.",
    )

    class Meta:
        model = Rejection
        fields = [
            *("id", "source", "reason", "detail", "headers", "remote_address", "size", "sha256", "suppressed_count"),
            *("received_at", "last_valid_secret", "last_valid_at"),
        ]
        read_only_fields = fields
