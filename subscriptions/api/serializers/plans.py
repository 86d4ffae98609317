"""Serialize plans."""

from subscriptions.api.fields.own import Uid
from subscriptions.endpoints.destinations.registry import kind_names
from subscriptions.models import Plan
from webhooks.kit.rest.fields.json_values import ListField
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import ChoiceField
from webhooks.kit.rest.serializers import StrictModelSerializer


class PlanSerializer(StrictModelSerializer):
    """The limits of the tenants that are on the plan. A limit that is null does not apply."""

    id = IdField(Plan.prefix, read_only=True)
    uid = Uid()
    endpoint_types = ListField(
        child=ChoiceField([(name, name) for name in kind_names()]),
        required=False,
        allow_null=True,
        help_text="Types of endpoints that a tenant may create, such as `http` and `sqs`; null: all of them.",
    )

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
            "endpoint_types",
            "max_subscriptions",
            "max_subscription_bytes",
            "max_sources",
            "max_schedules",
            "min_schedule_interval_seconds",
            "max_event_bytes",
            "max_retention_days",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["created_at", "updated_at"]
