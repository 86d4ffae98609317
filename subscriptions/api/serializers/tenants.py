"""Serialize tenants."""

from subscriptions.api.fields.labels import Metadata, Uid
from subscriptions.models import Plan, Tenant
from webhooks.kit.rest.serializers import IdField, ReferenceField, StrictModelSerializer

__all__ = ["TenantSerializer"]


class TenantSerializer(StrictModelSerializer):
    """A customer of the company that runs Waypost."""

    id = IdField(Tenant.prefix, read_only=True)
    uid = Uid()
    metadata = Metadata(required=False)
    plan = ReferenceField(
        lambda serializer: Plan.objects.all(),
        required=False,
        allow_null=True,
        help_text="The id or the uid of a plan; null: the default plan.",
    )

    class Meta:
        model = Tenant
        fields = ["id", "uid", "name", "plan", "metadata", "retention_days", "created_at"]
        read_only_fields = ["created_at"]
