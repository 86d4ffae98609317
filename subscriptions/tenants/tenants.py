"""A tenant comes with nothing and leaves with everything: deleting one ends its keys and its endpoints."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from subscriptions.errors import uid_in_use
from subscriptions.models import Endpoint, SigningSecret, Subscription, Tenant
from subscriptions.tenants.plans import check_retention, plan_of
from webhooks.kit.uids import unique_uid

__all__ = ["change_tenant", "create_tenant", "delete_tenant"]


def create_tenant(name: str, **fields: Any) -> Tenant:
    """A new tenant. Raises Taken for a uid in use, Refused for a retention that its plan does not allow; where none
    is given, it is the usual one or all the plan allows."""
    tenant = Tenant(name=name, **fields)
    plan = plan_of(tenant)
    if "retention_days" in fields:
        check_retention(plan, tenant.retention_days)
    elif plan.max_retention_days is not None:
        tenant.retention_days = min(tenant.retention_days, plan.max_retention_days)
    with unique_uid(uid_in_use):
        tenant.save(force_insert=True)
    return tenant


def change_tenant(tenant: Tenant, fields: dict[str, Any]) -> Tenant:
    """Write these fields; a plan that allows less retention shortens it, unless a longer one is asked for outright.

    Raises Taken for a uid in use, Refused for a retention that the plan does not allow, Tenant.DoesNotExist if it was
    deleted meanwhile.
    """
    rows = Tenant.objects.filter(pk=tenant.pk, deleted_at=None)
    with unique_uid(uid_in_use):
        if fields:
            rows.update(**{**fields, **_retention_within(rows, fields)})
        return rows.select_related("plan").get()


def _retention_within(rows: QuerySet[Tenant], fields: dict[str, Any]) -> dict[str, int]:
    """The retention to write, if what changes touches it."""
    if not fields.keys() & {"plan", "retention_days"}:
        return {}
    now = rows.select_related("plan").select_for_update(of=["self"], no_key=True).get()
    plan = plan_of(Tenant(plan=fields.get("plan", now.plan)))
    days = fields.get("retention_days", now.retention_days)
    if days != now.retention_days:
        check_retention(plan, days)
    return {"retention_days": min(days, plan.max_retention_days or days)}


def delete_tenant(tenant: Tenant) -> None:
    """Its keys open nothing any more (within a second), its endpoints get nothing, and its uid is free.

    What it published stays until its retention ends. A second time changes nothing.
    """
    now = timezone.now()
    with transaction.atomic():
        if Tenant.objects.filter(pk=tenant.pk, deleted_at=None).update(deleted_at=now, uid=None):
            Subscription.objects.filter(tenant=tenant).delete()
            SigningSecret.objects.filter(endpoint__tenant=tenant).delete()
            Endpoint.objects.filter(tenant=tenant, deleted_at=None).update(deleted_at=now)
