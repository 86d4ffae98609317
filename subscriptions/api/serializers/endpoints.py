"""Serialize endpoints; the signing secret is only in the response that creates the endpoint."""

from typing import Any, ClassVar

from rest_framework import serializers

from subscriptions.api.fields.labels import Metadata, Uid
from subscriptions.api.fields.retry_plan import RetryPlan
from subscriptions.api.serializers.endpoint_secrets import SIGNING
from subscriptions.api.serializers.http_settings import HttpSettingsSerializer
from subscriptions.models import Endpoint, Tenant
from webhooks.kit.rest.serializers import ChoiceField, IdField, StrictModelSerializer, TextField


class EndpointSerializer(StrictModelSerializer):
    """A URL that receives webhooks, and how they are sent. `state` can be set to `active` or `paused`."""

    id = IdField(Endpoint.prefix, read_only=True)
    uid = Uid()
    metadata = Metadata(required=False)
    tenant = IdField(Tenant.prefix, source="tenant_id", read_only=True)
    retry_plan = RetryPlan(
        required=False,
        allow_null=True,
        help_text="Seconds to wait after each failure, as a list; or an object of `first`, `factor`, `cap`, "
        "`attempts` and `horizon`, stored as that list. Null: the default, 10 attempts over 75 h 35 min.",
    )
    kept_by_put = frozenset({"state"})
    hints = dict.fromkeys(("secret", "signing"), "POST to the endpoint's secrets/ to rotate the secret.")

    class Meta:
        model = Endpoint
        fields = [
            "id",
            "uid",
            "tenant",
            "description",
            "state",
            "disabled_reason",
            "state_changed_at",
            "allowed_rate",
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
            "allowed_rate",
            "created_at",
            "updated_at",
        ]

    def get_fields(self) -> dict[str, Any]:
        """Return the general fields, with those of the HTTP settings among them."""
        self.http = HttpSettingsSerializer(getattr(self.instance, "http", None))
        http = self.http.get_fields()
        for name, field in http.items():
            field.source = f"http.{name}"
            if check := getattr(self.http, f"validate_{name}", None):
                field.validators = [*field.validators, check]
        general = super().get_fields()
        first = {name: general.pop(name) for name in ("id", "uid", "tenant")}
        return first | http | general

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the general fields and the HTTP settings in one flat mapping, as ``endpoints`` takes them."""
        values: dict[str, Any] = super().to_internal_value(data)
        own = values.pop("http", {})
        is_replaced = self.instance is not None and not self.partial
        return values | (self.http.with_defaults(own) if is_replaced else own)


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
