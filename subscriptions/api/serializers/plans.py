"""Serialize plans."""

from subscriptions.api.fields.own import Uid
from subscriptions.models import Plan
from webhooks.kit.rest.serializers import IdField, StrictModelSerializer


class PlanSerializer(StrictModelSerializer):
    """The limits of the tenants that are on the plan. A limit that is null does not apply."""

    id = IdField(Plan.prefix, read_only=True)
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
