"""Serialize endpoints; the signing secret is in the response that creates the endpoint, and in no other."""

from typing import Any, ClassVar

from rest_framework import serializers

from subscriptions import validation
from subscriptions.api.fields.credentials import Auth, Headers, Tls
from subscriptions.api.fields.labels import Metadata, Uid
from subscriptions.api.fields.retry_plan import RetryPlan
from subscriptions.api.problems import check_field
from subscriptions.api.serializers.endpoint_secrets import SIGNING
from subscriptions.endpoints.certificates import check_tls
from subscriptions.endpoints.credentials import check_auth
from subscriptions.models import Endpoint, Tenant
from webhooks.kit.rest.serializers import ChoiceField, IdField, StrictModelSerializer, TextField

__all__ = [
    "EndpointCreateSerializer",
    "EndpointSerializer",
    "EndpointWithSecretSerializer",
]


class EndpointSerializer(StrictModelSerializer):
    """An address that receives webhooks, and how it wants them sent. `state` is `active` or `paused`;
    `disabled` is for the platform and its operators, with the reason in `disabled_reason`."""

    id = IdField(Endpoint.prefix, read_only=True)
    uid = Uid()
    metadata = Metadata(required=False)
    tenant = IdField(Tenant.prefix, source="tenant_id", read_only=True)
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
    kept_by_put = frozenset({"state", "auth", "tls"})
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
        check_field(validation.check_headers, headers)
        return headers

    def validate_auth(self, auth: Any) -> Any:
        if auth not in (None, {}) and (self.instance is None or auth != self.instance.auth):
            check_field(check_auth, auth)
        return auth

    def validate_tls(self, tls: Any) -> Any:
        if tls not in (None, {}) and (self.instance is None or tls != self.instance.tls):
            check_field(check_tls, tls)
        return tls


class EndpointCreateSerializer(EndpointSerializer):
    """An endpoint as it is created: `secret` signs its deliveries. Give your own (`whsec_` and the base64 of 24
    to 64 random bytes), or leave it out and find ours in the answer, here and never again. With `signing: v1a` it is
    an ed25519 key pair instead, and the answer has the `public_key`; a `whsk_` key of your own is taken too."""

    secret = TextField(required=False)
    signing = ChoiceField(
        SIGNING, required=False, write_only=True, help_text="v1 (HMAC-SHA256) unless you say v1a (ed25519)."
    )
    public_key = serializers.CharField(read_only=True)
    hints: ClassVar[dict[str, str]] = {}

    class Meta(EndpointSerializer.Meta):
        fields = [*EndpointSerializer.Meta.fields, "secret", "signing", "public_key"]


class EndpointWithSecretSerializer(EndpointCreateSerializer):
    """For the description only: of `secret` and `public_key` there is the one that its deliveries are verified with."""

    public_key = serializers.CharField(required=False)
