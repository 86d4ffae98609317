"""Serialize the signing secrets and public keys of an endpoint."""

from typing import Any

from rest_framework import serializers

from subscriptions.endpoints.signing_secrets import DEFAULT_OVERLAP, MAX_OVERLAP, V1, V1A
from subscriptions.models import SigningSecret
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import ChoiceField, IntegerField, TextField
from webhooks.kit.rest.serializers import StrictSerializer

SIGNING = [(V1, "HMAC-SHA256"), (V1A, "ed25519")]


class SigningSecretSerializer(serializers.ModelSerializer[SigningSecret]):
    """A secret that signs the deliveries of an endpoint, without its value."""

    id = IdField(SigningSecret.prefix, read_only=True)
    signing = serializers.ChoiceField(SIGNING, read_only=True, help_text="Signature scheme of Standard Webhooks.")
    public_key = serializers.SerializerMethodField(
        help_text="Public key that verifies `v1a` signatures, with the prefix `whpk_`; null for `v1`."
    )

    class Meta:
        model = SigningSecret
        fields = ["id", "signing", "public_key", "created_at", "expires_at"]
        read_only_fields = fields

    def get_public_key(self, secret: SigningSecret) -> str | None:
        return secret.public_key or None


class SigningSecretCreateSerializer(StrictSerializer):
    """The rotation of an endpoint's signing secret."""

    overlap_seconds = IntegerField(
        default=DEFAULT_OVERLAP,
        min_value=0,
        max_value=MAX_OVERLAP,
        help_text="Seconds for which older secrets sign beside the new one. Default: 86,400 (one day); at most 30 days."
        " 0 ends them at once.",
    )
    secret = TextField(
        required=False,
        help_text="New secret: `whsec_` and the base64 of 24 to 64 random bytes; for `v1a` a `whsk_` private key. "
        "Default: generated.",
    )
    signing = ChoiceField(
        SIGNING, required=False, help_text="Signature scheme of the new secret. Default: that of the current one."
    )


class SigningSecretWithValueSerializer(SigningSecretSerializer):
    """A new secret of an endpoint with what deliveries are verified with: `secret` (`v1`) or `public_key` (`v1a`)."""

    secret = serializers.CharField(
        required=False, help_text="Shared secret (`v1`). Store it now: it is not shown again."
    )
    may_be_absent = frozenset({"secret"})

    class Meta(SigningSecretSerializer.Meta):
        fields = [*SigningSecretSerializer.Meta.fields, "secret"]
        read_only_fields = fields


class JsonWebKeySerializer(serializers.Serializer[Any]):
    """An Ed25519 public key as a JSON Web Key (RFC 8037)."""

    kty = serializers.CharField(help_text="Key type: `OKP`.")
    crv = serializers.CharField(help_text="Curve: `Ed25519`.")
    use = serializers.CharField(help_text="Use of the key: `sig`, to verify signatures.")
    alg = serializers.CharField(help_text="Algorithm of the signatures: `EdDSA`.")
    kid = serializers.CharField(help_text="Key id: the thumbprint of the key (RFC 7638).")
    x = serializers.CharField(help_text="Public key in base64url.")
    public_key = serializers.CharField(help_text="The same key as text with the prefix `whpk_`.")


class JsonWebKeySetSerializer(serializers.Serializer[Any]):
    """The public keys of an endpoint as a JSON Web Key Set (RFC 7517)."""

    keys = JsonWebKeySerializer(many=True, help_text="Keys that sign now, newest first; empty for `v1`.")
