"""Serialize tenants."""

from rest_framework import serializers

from subscriptions.api.fields.own import Metadata, Uid
from subscriptions.models import Plan, Tenant
from webhooks.kit.rest.fields.references import IdField, ReferenceField
from webhooks.kit.rest.labels import Labels
from webhooks.kit.rest.serializers import StrictModelSerializer


class TenantSerializer(StrictModelSerializer):
    """One of your customers, with its own endpoints, events and keys."""

    id = IdField(Tenant.prefix, read_only=True)
    uid = Uid()
    metadata = Metadata(required=False)
    labels = Labels(
        required=False,
        help_text='Names with values, by which lists and broadcasts select: `{"plan": "gold"}`. Up to 32; each name '
        "and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`.",
    )
    plan = ReferenceField(
        lambda _: Plan.objects.all(),
        required=False,
        allow_null=True,
        help_text="Plan of the tenant: id or `uid`; returned as the id. Null: the default plan.",
    )

    class Meta:
        model = Tenant
        fields = ["id", "uid", "name", "plan", "metadata", "labels", "is_platform", "retention_days"]
        fields += ["archives_events", "unknown_event_types", "created_at"]
        read_only_fields = ["created_at"]


class TenantCreatedSerializer(TenantSerializer):
    """A new tenant, with what may be a mistake in it."""

    may_be_absent = frozenset({"warnings"})  # read by config.api.openapi
    warnings = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="What may be a mistake: other tenants have this name, which need not be unique; the warning has "
        "their ids. Left out if there are none.",
    )

    class Meta(TenantSerializer.Meta):
        fields = [*TenantSerializer.Meta.fields, "warnings"]
