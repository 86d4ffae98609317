"""Create, change and delete plans, and enforce their limits on endpoints, subscriptions, sources and retention.

The plan of a tenant is the one it was given, else the default plan, else a plan with the default values of the model.
Every publish request reads the plan, so each process caches the default plan for a second.

A tenant may already use more than a new or changed plan allows. It keeps its endpoints, subscriptions and sources but
cannot create others, and its retention is shortened to the limit until a plan allows more.
"""

from typing import Any

from django.db import transaction
from django.db.models import Count, Model, ProtectedError, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Least, NullIf
from django.utils import timezone

from subscriptions.errors import Invalid, LimitExceeded, StateConflict, uid_in_use
from subscriptions.models import Endpoint, Plan, Subscription, Tenant
from webhooks.kit.caches.timed_cache import TimedCache
from webhooks.kit.rows import unique_uid

ROW_LIMITS = {"webhooks.source": "max_sources", "delivery.schedule": "max_schedules"}
"""Tables of other apps with the limit of a plan; each has the column ``tenant_id``, and may have ``deleted_at``."""


def plan_of(tenant: Tenant) -> Plan:
    """Return the plan that applies to a tenant."""
    return tenant.plan or _default_plan.get("")


def known_plan_of(tenant: Tenant) -> Plan | None:
    """Return the plan that ``plan_of`` has found for this tenant object, of any age, without a query.

    None if it found none: nothing else is known. For the event loop, which must not wait for the database.
    """
    return _default_plan.peek("")[0] if tenant.plan_id is None else tenant.plan


def clear_cache() -> None:
    """Drop the cached default plan."""
    _default_plan.clear()


def create_plan(name: str, **fields: Any) -> Plan:
    """Create a plan; a new default plan replaces the former one. Raises AlreadyExists for a uid in use."""
    with unique_uid(uid_in_use):
        _unset_former_default(fields)
        plan = Plan.objects.create(name=name, **fields)
        _apply_retention(plan)
    clear_cache()
    return plan


def change_plan(plan: Plan, fields: dict[str, Any]) -> Plan:
    """Change fields of a plan; the new values apply to the plan's tenants within a second.

    Raises AlreadyExists for a uid in use, Plan.DoesNotExist if another request has deleted the plan.
    """
    rows = Plan.objects.filter(pk=plan.pk)
    with unique_uid(uid_in_use):
        _unset_former_default(fields)
        rows.update(**fields, updated_at=timezone.now())
        changed = rows.get()
        _apply_retention(changed)
        if plan.is_default and not changed.is_default:
            _limit_retention(Tenant.objects.filter(plan=None), None)
    clear_cache()
    return changed


def delete_plan(plan: Plan) -> None:
    """Delete a plan. Raises StateConflict if tenants have this plan."""
    try:
        with transaction.atomic():
            if plan.is_default:
                _limit_retention(Tenant.objects.filter(plan=None), None)
            plan.delete()
    except ProtectedError:
        raise StateConflict("plan", "Tenants have this plan; give them another plan first.") from None
    clear_cache()


def lock_tenant(tenant: Tenant) -> None:
    """Lock the row of a tenant until the transaction ends, so that concurrent checks count what this one creates."""
    Tenant.objects.select_for_update(no_key=True).only("pk").get(pk=tenant.pk)


def check_endpoint_type(tenant: Tenant, kind: str) -> None:
    """Raise LimitExceeded unless the tenant's plan allows endpoints of this type."""
    allowed = plan_of(tenant).endpoint_types
    if allowed is not None and kind not in allowed:
        message = f"The plan does not allow endpoints of the type {kind}; allowed are: {', '.join(allowed) or 'none'}."
        raise LimitExceeded("endpoint_types", message, allowed=0, used=0)


def check_endpoint_limit(tenant: Tenant) -> None:
    """Raise LimitExceeded if the tenant has more endpoints than its plan allows.

    Call this after creating an endpoint, in the same transaction. The tenant's row is locked, so the check of a
    concurrent request waits and counts the new endpoint too.
    """
    allowed = plan_of(tenant).max_endpoints
    if allowed is None:
        return
    lock_tenant(tenant)
    count = Endpoint.objects.filter(tenant=tenant, deleted_at=None).count()
    if count > allowed:
        message = f"The plan allows {allowed} endpoints, and there are {count - 1}; delete one or change the plan."
        raise LimitExceeded("max_endpoints", message, allowed=allowed, used=count - 1)


def check_subscription_limits(tenant: Tenant) -> None:
    """Raise LimitExceeded if the tenant has more subscriptions, or larger ones, than its plan allows.

    Call this after creating or enlarging a subscription, in the same transaction, as ``check_endpoint_limit``.
    """
    plan = plan_of(tenant)
    lock_tenant(tenant)
    used = subscriptions_used(tenant)
    for limit, unit in (("max_subscriptions", "subscriptions"), ("max_subscription_bytes", "bytes of subscriptions")):
        allowed = getattr(plan, limit)
        if allowed is not None and used[limit] > allowed:
            message = (
                f"The plan allows {allowed} {unit}, and this would be {used[limit]}; delete some or change the plan."
            )
            raise LimitExceeded(limit, message, allowed=allowed, used=used[limit])


def subscriptions_used(tenant: Tenant) -> dict[str, int]:
    """Return what a tenant uses of the limits on subscriptions, by the name of the limit."""
    rows = Subscription.objects.filter(tenant=tenant)
    used = rows.aggregate(max_subscriptions=Count("id"), max_subscription_bytes=Sum("size", default=0))
    return {limit: int(count) for limit, count in used.items()}


def check_row_limit(tenant: Tenant, table: type[Model]) -> None:
    """Raise LimitExceeded if the plan allows no more rows of a table of another app, such as sources.

    Call this in the transaction that creates a row, with the tenant's row locked.
    """
    limit = ROW_LIMITS.get(table._meta.label_lower, "")
    allowed = getattr(plan_of(tenant), limit) if limit else None
    if allowed is None:
        return
    rows = table._default_manager.filter(tenant_id=tenant.pk)
    used = (rows.filter(deleted_at=None) if hasattr(table, "deleted_at") else rows).count()
    if used >= allowed:
        message = f"The plan allows {allowed} {table._meta.verbose_name_plural}; delete one or change the plan."
        raise LimitExceeded(limit, message, allowed=allowed, used=used)


def check_retention(plan: Plan, days: int) -> None:
    """Raise Invalid if the plan does not allow a retention of ``days``."""
    if plan.max_retention_days is not None and days > plan.max_retention_days:
        raise Invalid("retention_days", f"Must be at most {plan.max_retention_days} days, the limit of the plan.")


def _load_default_plan(_key: str) -> Plan:
    return Plan.objects.filter(is_default=True).first() or Plan(name="default")


_default_plan = TimedCache(_load_default_plan, refreshes=True)  # one entry, under the key ""


def _unset_former_default(fields: dict[str, Any]) -> None:
    if fields.get("is_default"):
        Plan.objects.filter(is_default=True).update(is_default=False, updated_at=timezone.now())


def _apply_retention(plan: Plan) -> None:
    has_plan = Q(plan=plan) | Q(plan=None) if plan.is_default else Q(plan=plan)
    _limit_retention(Tenant.objects.filter(has_plan), plan.max_retention_days)


def _limit_retention(tenants: QuerySet[Tenant], maximum: int | None) -> None:
    """Shorten the retention of these tenants to the limit, and restore what a lower limit had shortened."""
    wanted = Coalesce("unshortened_retention_days", "retention_days")
    allowed = wanted if maximum is None else Least(wanted, maximum)
    affected = Q(unshortened_retention_days__isnull=False)
    if maximum is not None:
        affected |= Q(retention_days__gt=maximum)
    tenants.filter(affected).update(retention_days=allowed, unshortened_retention_days=NullIf(wanted, allowed))


def within_retention(plan: Plan, wanted: int) -> dict[str, int | None]:
    """Return the columns of a tenant under this plan. ``wanted``: the days of retention that it asks for."""
    allowed = wanted if plan.max_retention_days is None else min(wanted, plan.max_retention_days)
    return {"retention_days": allowed, "unshortened_retention_days": wanted if allowed < wanted else None}
