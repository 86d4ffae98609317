"""Serialize the signing secrets and public keys of an endpoint."""

from typing import Any

from rest_framework import serializers

from subscriptions.endpoints.signing_secrets import DEFAULT_OVERLAP, MAX_OVERLAP, V1, V1A
from subscriptions.models import SigningSecret
from webhooks.kit.rest.serializers import ChoiceField, IntegerField, StrictSerializer, TextField

SIGNING = [(V1, "HMAC-SHA256"), (V1A, "ed25519")]


class SigningSecretSerializer(serializers.ModelSerializer[SigningSecret]):
    """A signing secret, without the secret itself. `expires_at` is null for the current one, `public_key` for v1."""

    signing = serializers.ChoiceField(SIGNING, read_only=True)
    public_key = serializers.SerializerMethodField()

    class Meta:
        model = SigningSecret
        fields = ["signing", "public_key", "created_at", "expires_at"]
        read_only_fields = fields

    def get_public_key(self, secret: SigningSecret) -> str | None:
        return secret.public_key or None


class SecretRotationSerializer(StrictSerializer):
    """A rotation of the signing secret. Older secrets go on signing for `overlap_seconds`."""

    overlap_seconds = IntegerField(default=DEFAULT_OVERLAP, min_value=0, max_value=MAX_OVERLAP)
    secret = TextField(required=False)
    signing = ChoiceField(SIGNING, required=False)


class SecretRotationResultSerializer(serializers.Serializer[Any]):
    """The key to verify with: the new `secret` (v1), which is not shown again, or the `public_key` (v1a)."""

    secret = serializers.CharField(required=False)
    public_key = serializers.CharField(required=False)


class JwkSerializer(serializers.Serializer[Any]):
    """An ed25519 public key (RFC 8037), also as `whpk_` text."""

    kty = serializers.CharField()
    crv = serializers.CharField()
    use = serializers.CharField()
    alg = serializers.CharField()
    kid = serializers.CharField(help_text="Thumbprint of the key (RFC 7638).")
    x = serializers.CharField()
    public_key = serializers.CharField()


class KeySetSerializer(serializers.Serializer[Any]):
    """The public keys of an endpoint as a JSON Web Key Set (RFC 7517): those that sign now, newest first."""

    keys = JwkSerializer(many=True)
