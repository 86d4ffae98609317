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
    """The events that an endpoint receives: by type, narrowed by a pattern, rewritten by a transformer."""

    id = IdField(Subscription.prefix, read_only=True)
    tenant = IdField(Tenant.prefix, source="tenant_id", read_only=True, help_text="Id of the tenant it belongs to.")
    endpoint = ReferenceField(
        _endpoints_of, help_text="Endpoint that receives the events: id or `uid`; returned as the id."
    )
    event_types = EventTypesField(
        default=lambda: ["*"],
        help_text="Exact types, `order.*` for all types below order, or `*` for all. Default: `*`. At most 100.",
    )
    pattern = PatternField(
        required=False,
        allow_null=True,
        help_text='Event pattern, matched against the whole event: `{"data": {"total": [{"numeric": [">", 100]}]}}`. '
        "Null: every event of these types. At most 16 KiB.",
    )
    transformer = TransformerField(
        required=False,
        allow_null=True,
        help_text="Body to send, as `input_paths`, `template` and `content_type`; null: the whole event. "
        "At most 64 KiB.",
    )
    active = BooleanField(required=False, help_text="Whether events published from now on are sent. Default: true.")

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
