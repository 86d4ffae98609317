"""List the limits that apply to a tenant, and what is used of them: those of its plan, and those of the operator.

docs/reference/limits.md describes all limits; a test compares it with this list.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.conf import settings

from delivery.publishing.monthly_quota import month, next_month
from delivery.sql.figures.usage import events_since
from subscriptions.models import Endpoint, Plan, Tenant
from subscriptions.tenants.plans import plan_of, subscriptions_used
from webhooks.kit.tenancy import tenant_usage

PLAN, SETTING = "plan", "setting"
OF_A_PLAN = (
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
)
OF_THE_OPERATOR = {
    "WAYPOST_MAX_EVENT_BYTES": "Size of one event in bytes, whatever the plan.",
    "WAYPOST_MAX_REQUEST_BYTES": "Size of one API request in bytes.",
    "WAYPOST_FAN_OUT_STEPS": "Steps of matching and rendering of one event in a request; more are deferred.",
    "WAYPOST_FAN_OUT_STEPS_PER_SECOND": "The same of all events, per second and process.",
    "WAYPOST_FAN_OUT_DELIVERIES": "Deliveries of one event in a request; more are deferred.",
    "WAYPOST_FAN_OUT_BYTES": "Bytes rendered for one event in a request; more are deferred.",
    "WAYPOST_ENDPOINTS_PER_ORIGIN": "Endpoints at one scheme, host and port; empty: no limit.",
    "WAYPOST_EXPENSIVE_REQUESTS": "Previews, exports and dry runs at once in one web process; a tenant has half.",
    "WAYPOST_STATEMENT_SECONDS": "Seconds that a database statement of one request may take.",
    "WAYPOST_LOOKUPS_PER_TENANT": "Host names looked up at once in one process.",
    "WAYPOST_CALLS_PER_TENANT": "Calls to verify endpoints, and for tokens and keys, at once in one process.",
    "WAYPOST_TESTS_PER_TENANT": "Test deliveries at once in one web process.",
    "WAYPOST_ALERT_RULES_PER_TENANT": "Alert rules that a tenant may have.",
    "WAYPOST_HANDLER_WAITS": "Requests of one source that wait for its handlers, in one web process.",
}
"""Settings that limit a tenant, and what each counts; 0 means no limit."""


@dataclass(frozen=True, slots=True)
class TenantLimit:
    """A limit: its name, and what is allowed and used in its unit.

    ``allowed``: None for no limit. ``used``: None where nothing is counted over time. ``resets_at``: when the use is
    counted anew; None: never.
    """

    name: str
    set_by: str
    description: str
    allowed: int | None
    used: int | None = None
    resets_at: datetime | None = None


def limits_of(tenant: Tenant) -> list[TenantLimit]:
    """Return the limits that apply to a tenant now, those of its plan first."""
    plan = plan_of(tenant)
    used: dict[str, int] = {
        "events_per_month": events_since(tenant.pk, month()),
        "max_endpoints": Endpoint.objects.filter(tenant=tenant, deleted_at=None).count(),
        "max_retention_days": tenant.retention_days,
        **subscriptions_used(tenant),
    }
    for _, counts in tenant_usage.send(Tenant, tenant_id=tenant.pk):
        used.update(cast(dict[str, int], counts))
    resets_at = {"events_per_month": next_month()}
    of_the_plan = [
        TenantLimit(name, PLAN, _help_text(name), getattr(plan, name), used.get(name), resets_at.get(name))
        for name in OF_A_PLAN
    ]
    of_the_operator = [
        TenantLimit(name, SETTING, description, getattr(settings, name) or None)
        for name, description in OF_THE_OPERATOR.items()
    ]
    return of_the_plan + of_the_operator


def _help_text(name: str) -> str:
    field: Any = Plan._meta.get_field(name)
    return str(field.help_text)
