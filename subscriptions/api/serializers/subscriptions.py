"""Serialize subscriptions."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError

from subscriptions.api.authentication import principal
from subscriptions.api.fields.named_endpoint import ShownById
from subscriptions.api.fields.own import Uid
from subscriptions.api.fields.routing import EventTypesField, PatternField, TransformerField
from subscriptions.api.tenancy import limited_to_endpoint, tenant_of
from subscriptions.models import Endpoint, Grant, Subscription, Tenant
from webhooks.kit.rest.fields.references import IdField, ReferenceField
from webhooks.kit.rest.fields.scalars import BooleanField
from webhooks.kit.rest.labels import Labels
from webhooks.kit.rest.serializers import StrictModelSerializer


def _endpoints_of(subscription: "SubscriptionSerializer") -> QuerySet[Endpoint]:
    """Return the endpoints of the subscription's own tenant, also when the request has a platform key."""
    row, request = subscription.instance, subscription.context["request"]
    tenant_id = row.tenant_id if row is not None else tenant_of(request).pk
    return limited_to_endpoint(request, Endpoint.objects.filter(tenant=tenant_id, deleted_at=None), "pk")


def _grants_to(subscription: "SubscriptionSerializer") -> QuerySet[Grant]:
    """Return the grants in force to the subscription's own tenant."""
    row, request = subscription.instance, subscription.context["request"]
    return Grant.objects.filter(grantee=row.tenant_id if row is not None else tenant_of(request).pk, ended_at=None)


NO_TYPES = 'Name the types, such as ["order.*"], or all of them: ["*"].'


class EndpointSubscriptionSerializer(StrictModelSerializer):
    """A subscription that is given with its endpoint."""

    event_types = EventTypesField(
        error_messages={"required": NO_TYPES},
        help_text="Exact types, `order.*` for all types below order, or `*` for all. At most 100. With a `pattern`, "
        '`["*"]` if left out.',
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
        help_text="Body to send, as `input_paths`, `texts`, `template` and `content_type`, or as `jsonata` and "
        "`content_type`; null: the whole event. At most 64 KiB.",
    )
    active = BooleanField(required=False, help_text="Whether events published from now on are sent. Default: true.")

    class Meta:
        model = Subscription
        fields = ["event_types", "pattern", "transformer", "description", "active"]

    def to_internal_value(self, data: Any) -> Any:
        """Fill in all types for a subscription with a pattern."""
        is_whole = isinstance(data, Mapping) and not self.partial
        if is_whole and "event_types" not in data and data.get("pattern") is not None:
            data = {**data, "event_types": ["*"]}
        return super().to_internal_value(data)


class SubscriptionSerializer(EndpointSubscriptionSerializer):
    """The events that an endpoint receives: by type, narrowed by a pattern, rewritten by a transformer."""

    id = IdField(Subscription.prefix, read_only=True)
    uid = Uid()
    tenant = IdField(Tenant.prefix, source="tenant_id", read_only=True, help_text="Id of the tenant it belongs to.")
    endpoint = ReferenceField(
        _endpoints_of,
        required=False,
        allow_null=True,
        help_text="Endpoint that receives the events: id or `uid`; returned as the id. Null: see `endpoint_labels`.",
    )
    endpoint_labels = Labels(
        required=False,
        allow_null=True,
        help_text='In place of `endpoint`: all endpoints of the tenant that have these labels, `{"env": "prod"}`, now '
        "and later; `{}`: all endpoints. Null: see `endpoint`.",
    )

    grant = ShownById(
        _grants_to,
        Grant.prefix,
        help_text="Grant of another tenant, whose events the subscription receives in place of those of its own "
        "tenant. Null: those of its own.",
    )

    class Meta:
        model = Subscription
        fields = [
            "id",
            "uid",
            "tenant",
            "endpoint",
            "endpoint_labels",
            "grant",
            "event_types",
            "pattern",
            "transformer",
            "description",
            "active",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["created_at", "updated_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require an endpoint or labels; a change to one of them takes the place of the other."""
        given = {name for name in ("endpoint", "endpoint_labels") if attrs.get(name) is not None}
        if len(given) > 1:
            raise ValidationError({"endpoint_labels": ["Give endpoint or endpoint_labels, not both."]})
        if not given and (self.instance is None or {"endpoint", "endpoint_labels"} & attrs.keys()):
            raise ValidationError({"endpoint": ["Give endpoint, or endpoint_labels for all endpoints with labels."]})
        if "endpoint_labels" in given and principal(self.context["request"]).endpoint_id is not None:
            raise ValidationError({"endpoint_labels": ["This API key is limited to one endpoint; name it."]})
        return {"endpoint": None, "endpoint_labels": None, **attrs} if given else attrs
