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


class KeySerializer(StrictModelSerializer):
    """An API key, without the key itself. `tenant` is null for an operator's key."""

    id = IdField(ApiKey.prefix, read_only=True)
    tenant = IdField(Tenant.prefix, source="tenant_id", read_only=True, allow_null=True)
    prefix = serializers.CharField(source="key_prefix", read_only=True)
    scopes = ListField(child=ChoiceField(Scope.choices), allow_empty=False)

    class Meta:
        model = ApiKey
        fields = ["id", "tenant", "name", "prefix", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at"]
        read_only_fields = ["created_at", "revoked_at", "last_used_at"]


class KeyWithSecretSerializer(KeySerializer):
    """A new API key. `key` is the key itself; it is not shown again."""

    key = serializers.CharField(read_only=True, source="text")

    class Meta(KeySerializer.Meta):
        fields = [*KeySerializer.Meta.fields, "key"]


class KeyRotationSerializer(StrictSerializer):
    """How long the old key stays valid, and when the new one expires (null: never)."""

    overlap_seconds = IntegerField(default=keys.DEFAULT_OVERLAP, min_value=0, max_value=keys.MAX_OVERLAP)
    expires_at = InstantField(default=None, allow_null=True)
