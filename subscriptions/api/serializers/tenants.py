"""Serialize tenants."""

from subscriptions.api.fields.labels import Metadata, Uid
from subscriptions.models import Plan, Tenant
from webhooks.kit.rest.serializers import IdField, ReferenceField, StrictModelSerializer


class TenantSerializer(StrictModelSerializer):
    """One of your customers, with its own endpoints, events and keys."""

    id = IdField(Tenant.prefix, read_only=True)
    uid = Uid()
    metadata = Metadata(required=False)
    plan = ReferenceField(
        lambda _: Plan.objects.all(),
        required=False,
        allow_null=True,
        help_text="Plan of the tenant: id or `uid`; returned as the id. Null: the default plan.",
    )

    class Meta:
        model = Tenant
        fields = ["id", "uid", "name", "plan", "metadata", "retention_days", "created_at"]
        read_only_fields = ["created_at"]
