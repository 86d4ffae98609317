"""Serialize API keys; the key itself is only in the response that creates it."""

from rest_framework import serializers

from subscriptions.models import ApiKey, Scope, Tenant
from subscriptions.tenants import keys
from webhooks.kit.rest.serializers import (
    ChoiceField,
    IdField,
    InstantField,
    IntegerField,
    ListField,
    StrictModelSerializer,
    StrictSerializer,
)


class ApiKeySerializer(StrictModelSerializer):
    """An API key, without its value."""

    id = IdField(ApiKey.prefix, read_only=True)
    tenant = IdField(
        Tenant.prefix,
        source="tenant_id",
        read_only=True,
        allow_null=True,
        help_text="Id of the tenant it belongs to; null: an operator's key, for all tenants.",
    )
    prefix = serializers.CharField(
        source="key_prefix", read_only=True, help_text="First characters of the key, to tell keys apart."
    )
    scopes = ListField(
        child=ChoiceField(Scope.choices), allow_empty=False, help_text="What the key allows, one or more scopes."
    )

    class Meta:
        model = ApiKey
        fields = ["id", "tenant", "name", "prefix", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at"]
        read_only_fields = ["created_at", "revoked_at", "last_used_at"]


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
