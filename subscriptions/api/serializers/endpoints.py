"""How endpoints and what signs for them look from outside, and what of them may be written.

A secret appears in one answer, that of the request which made it.
"""

from typing import Any

from rest_framework import serializers

from subscriptions import validation
from subscriptions.api.credential_fields import Auth, Headers, Tls
from subscriptions.api.fields import Choice, PublicId, Strict, StrictModel, Text, Whole, refuse
from subscriptions.api.label_fields import Metadata, Uid
from subscriptions.api.retry_plan_fields import RetryPlan
from subscriptions.endpoints.certificates import check_tls
from subscriptions.endpoints.credentials import check_auth
from subscriptions.endpoints.signing_secrets import DEFAULT_OVERLAP, MAX_OVERLAP, V1, V1A
from subscriptions.models import Endpoint, SigningSecret

__all__ = [
    "EndpointCreateSerializer",
    "EndpointSerializer",
    "EndpointWithSecretSerializer",
    "KeySetSerializer",
    "SecretRotationResultSerializer",
    "SecretRotationSerializer",
    "SigningSecretSerializer",
]

SIGNING = [(V1, "HMAC-SHA256"), (V1A, "ed25519")]


class EndpointSerializer(StrictModel):
    """An address that receives webhooks, and how it wants them sent. `state` is `active` or `paused`;
    `disabled` is for the platform and its operators, with the reason in `disabled_reason`."""

    id = PublicId()
    uid = Uid()
    metadata = Metadata(required=False)
    tenant = serializers.CharField(source="tenant.public_id", read_only=True)
    headers = Headers(
        required=False,
        help_text="Names and values of headers of its own, sent with every delivery. Keys that may not `manage` see "
        "`***` for the values; sent back, it means the value that is there.",
    )
    auth = Auth(
        required=False,
        allow_null=True,
        help_text="How the endpoint knows us beside the signature. What is secret in it is never shown; sent back as "
        "it was shown, it stays. Null: no more.",
    )
    tls = Tls(
        required=False,
        allow_null=True,
        help_text="A client certificate with its `private_key`, and a `ca` of its own, as PEM. Shown is whose they "
        "are; sent back as it was shown, it stays. Null: no more.",
    )
    retry_plan = RetryPlan(
        required=False,
        allow_null=True,
        help_text="Seconds to wait after each failure, as a list; or `first`, `factor`, `cap` and `attempts`, which "
        "become one. Null: the default, 10 attempts over 75 h 35 min.",
    )
    stays = frozenset({"state", "auth", "tls"})
    hints = dict.fromkeys(("secret", "signing"), "A secret is changed by a rotation: POST to the endpoint's secrets/.")

    class Meta:
        model = Endpoint
        fields = [
            "id",
            "uid",
            "tenant",
            "url",
            "description",
            "state",
            "disabled_reason",
            "state_changed_at",
            "verification",
            "verified_at",
            "allowed_rate",
            "headers",
            "auth",
            "tls",
            "content_mode",
            "reference_above_bytes",
            "timeout_ms",
            "max_in_flight",
            "rate_limit",
            "rate_period",
            "rate_burst",
            "ordering",
            "retry_plan",
            "metadata",
            "created_at",
            "updated_at",
        ]
        read_only_fields = [
            "disabled_reason",
            "state_changed_at",
            "verification",
            "verified_at",
            "allowed_rate",
            "created_at",
            "updated_at",
        ]

    def validate_headers(self, headers: Any) -> Any:
        refuse(validation.check_headers, headers)
        return headers

    def validate_auth(self, auth: Any) -> Any:
        if auth not in (None, {}) and (self.instance is None or auth != self.instance.auth):
            refuse(check_auth, auth)
        return auth

    def validate_tls(self, tls: Any) -> Any:
        if tls not in (None, {}) and (self.instance is None or tls != self.instance.tls):
            refuse(check_tls, tls)
        return tls


class EndpointCreateSerializer(EndpointSerializer):
    """An endpoint as it is created: `secret` signs its deliveries. Give your own (`whsec_` and the base64 of 24
    to 64 random bytes), or leave it out and find ours in the answer, here and never again. With `signing: v1a` it is
    an ed25519 key pair instead, and the answer has the `public_key`; a `whsk_` key of your own is taken too."""

    secret = Text(required=False)
    signing = Choice(
        SIGNING, required=False, write_only=True, help_text="v1 (HMAC-SHA256) unless you say v1a (ed25519)."
    )
    public_key = serializers.CharField(read_only=True)
    hints: dict[str, str] = {}

    class Meta(EndpointSerializer.Meta):
        fields = [*EndpointSerializer.Meta.fields, "secret", "signing", "public_key"]


class EndpointWithSecretSerializer(EndpointCreateSerializer):
    """For the description only: of `secret` and `public_key` there is the one that its deliveries are verified with."""

    public_key = serializers.CharField(required=False)


class SigningSecretSerializer(serializers.ModelSerializer[SigningSecret]):
    """When a secret was made and until when it signs; null: it is the current one. `public_key` is null for v1."""

    signing = serializers.ChoiceField(SIGNING, read_only=True)
    public_key = serializers.SerializerMethodField()

    class Meta:
        model = SigningSecret
        fields = ["signing", "public_key", "created_at", "expires_at"]
        read_only_fields = fields

    def get_public_key(self, secret: SigningSecret) -> str | None:
        return secret.public_key or None


class SecretRotationSerializer(Strict):
    """How long the older secrets go on signing beside the new one, and the new one if it is to be yours. `signing`
    changes the scheme; without it, it stays."""

    overlap_seconds = Whole(default=DEFAULT_OVERLAP, min_value=0, max_value=MAX_OVERLAP)
    secret = Text(required=False)
    signing = Choice(SIGNING, required=False)


class SecretRotationResultSerializer(serializers.Serializer[Any]):
    """What to verify with from now on: the new `secret` (v1), shown here and never again, or the `public_key` (v1a)."""

    secret = serializers.CharField(required=False)
    public_key = serializers.CharField(required=False)


class JwkSerializer(serializers.Serializer[Any]):
    """An ed25519 public key (RFC 8037), and the same as `whpk_` text."""

    kty = serializers.CharField()
    crv = serializers.CharField()
    use = serializers.CharField()
    alg = serializers.CharField()
    kid = serializers.CharField(help_text="Its thumbprint (RFC 7638).")
    x = serializers.CharField()
    public_key = serializers.CharField()


class KeySetSerializer(serializers.Serializer[Any]):
    """The public keys of an endpoint as a JSON Web Key Set (RFC 7517): those that sign now, newest first."""

    keys = JwkSerializer(many=True)
