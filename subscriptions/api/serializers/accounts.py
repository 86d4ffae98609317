"""How plans, tenants and keys look from outside, and what of them may be written.

The text of a key appears in one answer, that of the request which made it.
"""

from rest_framework import serializers

from subscriptions.api.fields import Choice, Instant, PublicId, Ref, Strict, StrictModel, Whole
from subscriptions.api.label_fields import Metadata, Uid
from subscriptions.models import ApiKey, Plan, Scope, Tenant
from subscriptions.tenants import keys

__all__ = ["KeyRotationSerializer", "KeySerializer", "KeyWithTextSerializer", "PlanSerializer", "TenantSerializer"]


class PlanSerializer(StrictModel):
    """What the tenants that have it may use; null: no limit."""

    id = PublicId()
    uid = Uid()

    class Meta:
        model = Plan
        fields = [
            "id",
            "uid",
            "name",
            "is_default",
            "events_per_month",
            "publish_rate",
            "max_endpoints",
            "max_event_bytes",
            "max_retention_days",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["created_at", "updated_at"]


class TenantSerializer(StrictModel):
    """A customer of the company that runs Waypost."""

    id = PublicId()
    uid = Uid()
    metadata = Metadata(required=False)
    plan = Ref(
        lambda serializer: Plan.objects.all(),
        required=False,
        allow_null=True,
        help_text="The id or the uid of a plan; null: the default plan.",
    )

    class Meta:
        model = Tenant
        fields = ["id", "uid", "name", "plan", "metadata", "retention_days", "created_at"]
        read_only_fields = ["created_at"]


class KeySerializer(StrictModel):
    """An API key without its text. `tenant` is null for an operator's key."""

    id = PublicId()
    tenant = serializers.CharField(source="tenant.public_id", default=None, read_only=True)
    prefix = serializers.CharField(source="key_prefix", read_only=True)
    scopes = serializers.ListField(child=Choice(Scope.choices), allow_empty=False)

    class Meta:
        model = ApiKey
        fields = [
            "id",
            "tenant",
            "name",
            "prefix",
            "scopes",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
        ]
        read_only_fields = ["created_at", "revoked_at", "last_used_at"]


class KeyWithTextSerializer(KeySerializer):
    """A key as it is created: `key` is its text, shown here and never again."""

    key = serializers.CharField(read_only=True, source="text")

    class Meta(KeySerializer.Meta):
        fields = [*KeySerializer.Meta.fields, "key"]


class KeyRotationSerializer(Strict):
    """How long the old key still opens, and when the new one ends (null: never)."""

    overlap_seconds = Whole(default=keys.DEFAULT_OVERLAP, min_value=0, max_value=keys.MAX_OVERLAP)
    expires_at = Instant(default=None, allow_null=True)
