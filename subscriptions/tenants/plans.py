"""Manage plans, and check a tenant against its plan: its own, else the default plan, else the defaults of the fields.

Publishing reads the plan with every request, so a process caches the default plan for a second. A plan with lower
limits than a tenant uses removes no endpoints, but allows no new ones, and shortens the tenant's retention.
"""

from typing import Any

from django.db.models import ProtectedError, Q
from django.utils import timezone

from subscriptions.errors import Invalid, LimitExceeded, StateConflict, uid_in_use
from subscriptions.models import Endpoint, Plan, Tenant
from webhooks.kit.timed_cache import TimedCache
from webhooks.kit.uids import unique_uid


def plan_of(tenant: Tenant) -> Plan:
    """Return the plan that applies to a tenant."""
    return tenant.plan or _default_plan.get("")


def clear_cache() -> None:
    """Read the default plan again when it is next needed."""
    _default_plan.clear()


def create_plan(name: str, **fields: Any) -> Plan:
    """Create a plan; as the default, it replaces the former default. Raises AlreadyExists for a uid in use."""
    with unique_uid(uid_in_use):
        _unset_former_default(fields)
        plan = Plan.objects.create(name=name, **fields)
        _shorten_retention(plan)
    clear_cache()
    return plan


def change_plan(plan: Plan, fields: dict[str, Any]) -> Plan:
    """Write the given fields; they apply to the plan's tenants within a second.

    Raises AlreadyExists for a uid in use, Plan.DoesNotExist if the plan was deleted meanwhile.
    """
    rows = Plan.objects.filter(pk=plan.pk)
    with unique_uid(uid_in_use):
        _unset_former_default(fields)
        rows.update(**fields, updated_at=timezone.now())
        changed = rows.get()
        _shorten_retention(changed)
    clear_cache()
    return changed


def delete_plan(plan: Plan) -> None:
    """Delete a plan. Raises StateConflict while tenants have it."""
    try:
        plan.delete()
    except ProtectedError:
        raise StateConflict("plan", "Tenants have this plan; give them another plan first.") from None
    clear_cache()


def check_endpoint_limit(tenant: Tenant) -> None:
    """Raise LimitExceeded if the tenant has more endpoints than its plan allows.

    Call it after creating one, in the same transaction: of two concurrent callers, the second waits and counts the
    first.
    """
    allowed = plan_of(tenant).max_endpoints
    if allowed is None:
        return
    Tenant.objects.select_for_update(no_key=True).only("pk").get(pk=tenant.pk)
    count = Endpoint.objects.filter(tenant=tenant, deleted_at=None).count()
    if count > allowed:
        message = f"The plan allows {allowed} endpoints, and there are {count - 1}; delete one or change the plan."
        raise LimitExceeded("max_endpoints", message, allowed=allowed, used=count - 1)


def check_retention(plan: Plan, days: int) -> None:
    """Raise Invalid if the plan does not allow to keep events for so many days."""
    if plan.max_retention_days is not None and days > plan.max_retention_days:
        raise Invalid("retention_days", f"Must be at most {plan.max_retention_days} days, the limit of the plan.")


_default_plan = TimedCache[str, Plan](lambda _: Plan.objects.filter(is_default=True).first() or Plan(name="default"))


def _unset_former_default(fields: dict[str, Any]) -> None:
    if fields.get("is_default"):
        Plan.objects.filter(is_default=True).update(is_default=False, updated_at=timezone.now())


def _shorten_retention(plan: Plan) -> None:
    maximum = plan.max_retention_days
    if maximum is not None:
        applies = Q(plan=plan) | Q(plan=None) if plan.is_default else Q(plan=plan)
        Tenant.objects.filter(applies, retention_days__gt=maximum).update(retention_days=maximum)
