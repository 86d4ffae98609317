"""Serialize tenants."""

from subscriptions.api.fields.labels import Metadata, Uid
from subscriptions.models import Plan, Tenant
from webhooks.kit.rest.serializers import IdField, ReferenceField, StrictModelSerializer


class TenantSerializer(StrictModelSerializer):
    """A customer of the platform, with its own endpoints, subscriptions and events."""

    id = IdField(Tenant.prefix, read_only=True)
    uid = Uid()
    metadata = Metadata(required=False)
    plan = ReferenceField(
        lambda _: Plan.objects.all(),
        required=False,
        allow_null=True,
        help_text="ID or uid of a plan; null: the default plan.",
    )

    class Meta:
        model = Tenant
        fields = ["id", "uid", "name", "plan", "metadata", "retention_days", "created_at"]
        read_only_fields = ["created_at"]
