"""Serialize endpoints; the signing secret is only in the response that creates the endpoint."""

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


class EndpointSerializer(StrictModelSerializer):
    """A URL that receives webhooks, and how they are sent. `state` can be set to `active` or `paused`."""

    id = IdField(Endpoint.prefix, read_only=True)
    uid = Uid()
    metadata = Metadata(required=False)
    tenant = IdField(Tenant.prefix, source="tenant_id", read_only=True)
    headers = Headers(
        required=False,
        help_text="Custom headers, sent with every delivery. Keys without the scope `manage` see `***` instead of "
        "values; `***` sent back keeps the stored value.",
    )
    auth = Auth(
        required=False,
        allow_null=True,
        help_text="Authentication in addition to the signature. Secrets are never shown; sent back as shown, it keeps "
        "them. Null: none.",
    )
    tls = Tls(
        required=False,
        allow_null=True,
        help_text="A client `certificate` with its `private_key`, and certificate authorities (`ca`), as PEM. Shown "
        "are subject and expiry; sent back as shown, they stay. Null: none.",
    )
    retry_plan = RetryPlan(
        required=False,
        allow_null=True,
        help_text="Seconds to wait after each failure, as a list; or an object of `first`, `factor`, `cap`, "
        "`attempts` and `horizon`, stored as that list. Null: the default, 10 attempts over 75 h 35 min.",
    )
    kept_by_put = frozenset({"state", "auth", "tls"})
    hints = dict.fromkeys(("secret", "signing"), "POST to the endpoint's secrets/ to rotate the secret.")

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
    """A new endpoint. `secret` signs its deliveries: yours (`whsec_` and the base64 of 24 to 64 bytes) or a new one.

    With `signing: v1a` an ed25519 key pair signs, yours (`whsk_`) or a new one; the response has its `public_key`.
    """

    secret = TextField(required=False)
    signing = ChoiceField(
        SIGNING, required=False, write_only=True, help_text="v1 (HMAC-SHA256, the default) or v1a (ed25519)."
    )
    public_key = serializers.CharField(read_only=True)
    hints: ClassVar[dict[str, str]] = {}

    class Meta(EndpointSerializer.Meta):
        fields = [*EndpointSerializer.Meta.fields, "secret", "signing", "public_key"]


class EndpointWithSecretSerializer(EndpointCreateSerializer):
    """A created endpoint, with the `secret` (v1) or the `public_key` (v1a) to verify its deliveries with."""

    public_key = serializers.CharField(required=False)
