"""What a tenant may use is what its plan says, or the default plan, or, where no plan is the default, ``Plan()``.

Publishing asks for every request, so a process remembers the default plan for a second, as it does keys: that is
how long another process may go by the old one. A plan that allows less than a tenant has takes nothing away but
time: endpoints stay, no new ones are made; events are kept no longer than the plan says.
"""

from time import monotonic
from typing import Any

from django.db.models import ProtectedError, Q
from django.utils import timezone

from subscriptions.errors import Invalid, LimitExceeded, StateConflict, uid_in_use
from subscriptions.models import Endpoint, Plan, Tenant
from webhooks.kit.uids import unique_uid

__all__ = [
    "change_plan",
    "check_endpoint_limit",
    "check_retention",
    "clear_cache",
    "create_plan",
    "delete_plan",
    "plan_of",
]

REMEMBERED_FOR = 1.0  # seconds

_default: tuple[float, Plan] | None = None


def plan_of(tenant: Tenant) -> Plan:
    """The limits that hold for this tenant."""
    return tenant.plan or _default_plan()


def clear_cache() -> None:
    """Look for the default plan anew."""
    global _default
    _default = None


def create_plan(name: str, **fields: Any) -> Plan:
    """A new plan. As the default one it takes the place of the one before. Raises Taken for a uid in use."""
    with unique_uid(uid_in_use):
        _make_room_for_default(fields)
        plan = Plan.objects.create(name=name, **fields)
        _shorten_retention(plan)
    clear_cache()
    return plan


def change_plan(plan: Plan, fields: dict[str, Any]) -> Plan:
    """Write these fields; they hold for its tenants within a second. Raises Taken for a uid in use,
    Plan.DoesNotExist if it was deleted meanwhile."""
    rows = Plan.objects.filter(pk=plan.pk)
    with unique_uid(uid_in_use):
        _make_room_for_default(fields)
        rows.update(**fields, updated_at=timezone.now())
        changed = rows.get()
        _shorten_retention(changed)
    clear_cache()
    return changed


def delete_plan(plan: Plan) -> None:
    """Raises NotNow while tenants have it."""
    try:
        plan.delete()
    except ProtectedError:
        raise StateConflict("plan", "Tenants have this plan: give them another one first.") from None
    clear_cache()


def check_endpoint_limit(tenant: Tenant) -> None:
    """Raises Exceeded if the tenant has more endpoints now than its plan allows.

    To be called after one was made, in the same transaction: of two at once the second waits and counts the first.
    """
    allowed = plan_of(tenant).max_endpoints
    if allowed is None:
        return
    Tenant.objects.select_for_update(no_key=True).only("pk").get(pk=tenant.pk)
    count = Endpoint.objects.filter(tenant=tenant, deleted_at=None).count()
    if count > allowed:
        message = f"The plan allows {allowed} endpoints, and there are {count - 1}: delete one, or change the plan."
        raise LimitExceeded("max_endpoints", message, allowed=allowed, used=count - 1)


def check_retention(plan: Plan, days: int) -> None:
    """Raises Refused if a tenant with this plan may not have its events kept for so many days."""
    if plan.max_retention_days is not None and days > plan.max_retention_days:
        raise Invalid("retention_days", f"The plan allows {plan.max_retention_days} days at most.")


def _default_plan() -> Plan:
    global _default
    found = _default
    if found is None or monotonic() - found[0] >= REMEMBERED_FOR:
        found = _default = monotonic(), Plan.objects.filter(is_default=True).first() or Plan(name="default")
    return found[1]


def _make_room_for_default(fields: dict[str, Any]) -> None:
    if fields.get("is_default"):
        Plan.objects.filter(is_default=True).update(is_default=False, updated_at=timezone.now())


def _shorten_retention(plan: Plan) -> None:
    most = plan.max_retention_days
    if most is not None:
        mine = Q(plan=plan) | Q(plan=None) if plan.is_default else Q(plan=plan)
        Tenant.objects.filter(mine, retention_days__gt=most).update(retention_days=most)
