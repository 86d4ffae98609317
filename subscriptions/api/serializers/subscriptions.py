"""Serialize subscriptions."""

from django.db.models import QuerySet

from subscriptions.api.fields.routing import EventTypesField, PatternField, TransformerField
from subscriptions.api.tenancy import tenant_of
from subscriptions.models import Endpoint, Subscription, Tenant
from webhooks.kit.rest.serializers import BooleanField, IdField, ReferenceField, StrictModelSerializer


def _endpoints_of(subscription: "SubscriptionSerializer") -> QuerySet[Endpoint]:
    """Return the endpoints of the subscription's own tenant, also when an operator changes it."""
    row = subscription.instance
    tenant_id = row.tenant_id if row is not None else tenant_of(subscription.context["request"]).pk
    return Endpoint.objects.filter(tenant=tenant_id, deleted_at=None)


class SubscriptionSerializer(StrictModelSerializer):
    """The events an endpoint receives, by type and pattern, and the transformer of their bodies."""

    id = IdField(Subscription.prefix, read_only=True)
    tenant = IdField(Tenant.prefix, source="tenant_id", read_only=True)
    endpoint = ReferenceField(_endpoints_of, help_text="ID or uid of one of the tenant's endpoints.")
    event_types = EventTypesField(
        default=lambda: ["*"],
        help_text="Exact names, `order.*` for all types below order, or `*` for all; default: all.",
    )
    pattern = PatternField(
        required=False, allow_null=True, help_text="An event pattern, matched against the whole event."
    )
    transformer = TransformerField(
        required=False, allow_null=True, help_text="`input_paths` and `template`: the body to send."
    )
    active = BooleanField(required=False)

    class Meta:
        model = Subscription
        fields = [
            "id",
            "tenant",
            "endpoint",
            "event_types",
            "pattern",
            "transformer",
            "description",
            "active",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["created_at", "updated_at"]
