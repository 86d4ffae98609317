"""Find tenants that have used most of what their plan allows."""

from collections.abc import Iterator
from uuid import UUID

from delivery.publishing.monthly_quota import month
from delivery.reading.tenant_limits import PLAN, limits_of
from delivery.sql.figures.usage import tenants_near_quota
from subscriptions.models import Tenant
from webhooks.kit.conditions.condition import Condition, Finding, Question
from webhooks.kit.kinds.setting import Setting

FULL = 100  # percent
PERCENT = Setting(
    "percent",
    "Percent",
    "Part of a limit that may be used. A second message comes at 100 %.",
    type="number",
    default=80,
    minimum=1,
    maximum=100,
    example="80",
)
NOT_USED_UP = ("max_retention_days",)  # a limit that may be used fully


def find(question: Question) -> list[Finding]:
    """Return the limits that are used up to the given percent: of a tenant all, of all tenants the events per month."""
    least = question.settings["percent"]
    found = _of_tenant(question.tenant_id) if question.tenant_id is not None else _of_all(least, question.limit)
    return [_finding(*each) for each in found if 100 * each[3] >= least * each[2]]


def _of_tenant(tenant_id: UUID) -> Iterator[tuple[Tenant, str, int, int]]:
    tenant = Tenant.objects.select_related("plan").get(pk=tenant_id)
    for limit in limits_of(tenant):
        if limit.set_by == PLAN and limit.allowed and limit.used is not None and limit.name not in NOT_USED_UP:
            yield tenant, limit.name, limit.allowed, limit.used


def _of_all(least: int, most: int) -> Iterator[tuple[Tenant, str, int, int]]:
    near = {it.tenant_id: it for it in tenants_near_quota(month(), least / 100, most)}
    for tenant in Tenant.objects.filter(pk__in=near, deleted_at=None).order_by("id"):
        yield tenant, "events_per_month", near[tenant.pk].allowed, near[tenant.pk].used


def _finding(tenant: Tenant, limit: str, allowed: int, used: int) -> Finding:
    part = 100 * used // allowed
    text = f"{used:,} of {allowed:,} allowed by the limit {limit} of its plan are used ({part} %)."
    step = int(part >= FULL)
    return Finding(
        "tenant", f"{tenant.public_id}/{limit}", f"{tenant.name}: {limit}", text, tenant.pk, None, part, step
    )


CONDITION = Condition(
    "plan_limit",
    "Limit of a plan",
    "A tenant has used most of what its plan allows. A tenant's own rule looks at all limits, the operator's at the "
    "events per month of all tenants.",
    find,
    (PERCENT,),
    every=60.0,
)
