"""Serialize API keys; the key itself is only in the response that creates it."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from subscriptions.api.tenancy import endpoints_of
from subscriptions.models import ApiKey, Role, Scope, Tenant
from subscriptions.tenants import keys
from webhooks.kit.rest.fields.json_values import ListField
from webhooks.kit.rest.fields.references import IdField, ReferenceField
from webhooks.kit.rest.fields.scalars import BooleanField, ChoiceField, InstantField, IntegerField
from webhooks.kit.rest.serializers import StrictModelSerializer, StrictSerializer

MAX_EXPIRES_IN = 366 * 86_400  # seconds


class ApiKeySerializer(StrictModelSerializer):
    """An API key, without its value."""

    id = IdField(ApiKey.prefix, read_only=True)
    tenant = IdField(
        Tenant.prefix,
        source="tenant_id",
        read_only=True,
        allow_null=True,
        help_text="Id of the tenant it belongs to; null: a platform key, for all tenants.",
    )
    prefix = serializers.CharField(
        source="key_prefix", read_only=True, help_text="First characters of the key, to tell keys apart."
    )
    scopes = ListField(
        child=ChoiceField(Scope.choices), allow_empty=False, help_text="What the key allows, one or more scopes."
    )
    role = ChoiceField(
        Role.choices,
        required=False,
        allow_null=True,
        help_text="Role of the key, the same as of users of the admin: `viewer` (sees no payloads), `support`, "
        "`operator` or `administrator`. An operation needs the scope and the role. Null: the scopes alone decide.",
    )
    endpoint = ReferenceField(
        lambda key: endpoints_of(key.context["request"]),
        required=False,
        allow_null=True,
        help_text="The only endpoint that the key may read or change, with its subscriptions, secrets, deliveries and "
        "statistics: id or `uid`; returned as the id. Null: everything of the tenant. Such a key cannot publish.",
    )

    class Meta:
        model = ApiKey
        fields = [
            "id",
            "tenant",
            "endpoint",
            "name",
            "prefix",
            "scopes",
            "role",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
        ]
        read_only_fields = ["created_at", "revoked_at", "last_used_at"]


class ApiKeyCreateSerializer(ApiKeySerializer):
    """A new API key: of a tenant, of one of its endpoints, or of the platform."""

    scopes = ListField(
        child=ChoiceField(Scope.choices),
        allow_empty=False,
        required=False,
        help_text="What the key allows, one or more scopes; required without a `role`. Default: all that the role has, "
        "which is `read` for `viewer` and `support`, every scope for the others.",
    )

    expires_in = IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_EXPIRES_IN,
        write_only=True,
        help_text="Seconds until the key stops working, in place of `expires_at`. At most 366 days.",
    )
    platform = BooleanField(
        default=False,
        write_only=True,
        help_text="Whether to create a platform key, which acts for every tenant. Needs a platform key itself, and "
        "names no tenant. Default: false.",
    )

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "expires_in", "platform"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "scopes" not in attrs and attrs.get("role") is None:
            raise ValidationError({"scopes": ["Required without a role."]}, code="required")
        attrs.setdefault("scopes", [])
        seconds = attrs.pop("expires_in", None)
        if seconds is None:
            return attrs
        if attrs.get("expires_at") is not None:
            raise ValidationError({"expires_in": ["Give expires_at or expires_in, not both."]})
        return {**attrs, "expires_at": timezone.now() + timedelta(seconds=seconds)}


class ApiKeyWithSecretSerializer(ApiKeySerializer):
    """A new API key with its value, which is not shown again."""

    key = serializers.CharField(
        read_only=True, source="text", help_text="Value of the key, `wp_...`. Store it now: it is not shown again."
    )

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]


class ApiKeyRotationSerializer(StrictSerializer):
    """The rotation of an API key."""

    overlap_seconds = IntegerField(
        default=keys.DEFAULT_OVERLAP,
        min_value=0,
        max_value=keys.MAX_OVERLAP,
        help_text="Seconds for which the old key still works. Default: 86,400 (one day); at most 7 days.",
    )
    expires_at = InstantField(
        default=None, allow_null=True, help_text="When the new key stops working; null: never. Default: null."
    )
