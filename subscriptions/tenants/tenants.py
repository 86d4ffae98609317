"""Create, change, find and delete tenants."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone

from subscriptions.errors import AlreadyExists, uid_in_use
from subscriptions.models import Endpoint, OAuthToken, SigningSecret, Subscription, Tenant
from subscriptions.tenants.plans import check_retention, check_row_limit, plan_of, within_retention
from webhooks.kit.caches.timed_cache import TimedCache
from webhooks.kit.rows import is_uid, unique_uid
from webhooks.kit.tenancy import UnknownTenant, tenant_deleted
from webhooks.wire.ids import parse

SHOWN_NAMESAKES = 3


def create_tenant(name: str, **fields: Any) -> Tenant:
    """Create a tenant; without ``retention_days``, with the default retention or the most its plan allows.

    A new platform tenant replaces the former one. Raises AlreadyExists for a uid in use, Invalid for a retention that
    the plan does not allow.
    """
    tenant = Tenant(name=name, **fields)
    plan = plan_of(tenant)
    if "retention_days" in fields:
        check_retention(plan, tenant.retention_days)
    else:
        for column, value in within_retention(plan, tenant.retention_days).items():
            setattr(tenant, column, value)
    with unique_uid(uid_in_use):
        _unset_former_platform(fields)
        tenant.save(force_insert=True)
    return tenant


def change_tenant(tenant: Tenant, fields: dict[str, Any]) -> Tenant:
    """Write the given fields. A plan that allows less retention shortens it until a plan allows more again.

    Raises AlreadyExists for a uid in use, Invalid for a retention that the plan does not allow, Tenant.DoesNotExist if
    the tenant was deleted meanwhile.
    """
    rows = Tenant.objects.filter(pk=tenant.pk, deleted_at=None)
    with unique_uid(uid_in_use):
        if fields:
            _unset_former_platform(fields)
            rows.update(**{**fields, **_retention_within(rows, fields)})
        changed = rows.select_related("plan").get()
    named_tenants.clear()
    return changed


def _unset_former_platform(fields: dict[str, Any]) -> None:
    """Make room for a new tenant of the platform, which replaces the former one as a new default plan does."""
    if fields.get("is_platform"):
        Tenant.objects.filter(is_platform=True).update(is_platform=False)


def _retention_within(rows: QuerySet[Tenant], fields: dict[str, Any]) -> dict[str, int | None]:
    """Return the retention to write; empty if the fields do not affect it."""
    if not fields.keys() & {"plan", "retention_days"}:
        return {}
    row = rows.select_related("plan").select_for_update(of=["self"], no_key=True).get()
    plan = plan_of(Tenant(plan=fields.get("plan", row.plan)))
    days = fields.get("retention_days", row.retention_days)
    if days != row.retention_days:  # another one is chosen
        check_retention(plan, days)
        return within_retention(plan, days)
    return within_retention(plan, row.unshortened_retention_days or days)


def of_same_name(tenant: Tenant) -> QuerySet[Tenant]:
    """Return up to SHOWN_NAMESAKES other tenants of this name: names need not be unique, and are mistaken for it."""
    rows = Tenant.objects.filter(name=tenant.name, deleted_at=None).exclude(pk=tenant.pk)
    return rows.order_by("id")[:SHOWN_NAMESAKES]


def name_warnings(tenant: Tenant) -> list[str]:
    """Return the warnings for a tenant that was created or renamed: that others have its name."""
    others = ", ".join(it.public_id for it in of_same_name(tenant))
    return [f"name: This is also the name of {others}; a uid tells tenants apart."] if others else []


def delete_tenant(tenant: Tenant) -> None:
    """Delete a tenant with its endpoints and subscriptions, end its keys within a second, and free its uid. Idempotent.

    The other apps end its sources and replays when they receive ``tenant_deleted``. Its events stay until their
    retention ends.
    """
    now = timezone.now()
    with transaction.atomic():
        if Tenant.objects.filter(pk=tenant.pk, deleted_at=None).update(deleted_at=now, uid=None):
            Subscription.objects.filter(tenant=tenant).delete()
            SigningSecret.objects.filter(endpoint__tenant=tenant).delete()
            OAuthToken.objects.filter(endpoint__tenant=tenant).delete()
            Endpoint.objects.filter(tenant=tenant, deleted_at=None).update(deleted_at=now)
            tenant_deleted.send(Tenant, tenant_id=tenant.pk)
            transaction.on_commit(named_tenants.clear)


def is_named(tenant: Tenant, name: str) -> bool:
    """Return whether this is the id or the uid of a tenant."""
    return name in (tenant.uid, tenant.public_id)


def find_named(name: str) -> Tenant | None:
    """Return the tenant with this id or uid, with its plan, at most a second old; None if there is none.

    With WAYPOST_CREATE_TENANTS, a uid that no tenant has creates one. For publishing with platform keys only.
    """
    found = named_tenants.get(name)
    if found is None and settings.WAYPOST_CREATE_TENANTS and is_uid(name) and not _is_id(name):
        with suppress(AlreadyExists):  # another request has created it meanwhile
            create_tenant(name, uid=name)
        found = named_tenants.get(name)
    return found


def peek_named(name: str) -> tuple[Tenant | None, bool]:
    """Return the tenant with this id or uid if this process has seen it, and whether that is recent. No query."""
    return named_tenants.peek(name)


def _load_named(name: str) -> Tenant | None:
    rows = Tenant.objects.select_related("plan").filter(deleted_at=None)
    with suppress(ValueError):
        return rows.filter(pk=parse(Tenant.prefix, name)).first()
    return rows.filter(uid=name).first() if is_uid(name) else None


def _is_id(name: str) -> bool:
    try:
        parse(Tenant.prefix, name)
    except ValueError:
        return False
    return True


named_tenants = TimedCache(_load_named, refreshes=True)  # by id or uid


def find_id(*, uid: str, **_: Any) -> UUID | None:
    """Return the id of the tenant with this uid; None if there is none (receiver of ``tenant_named``)."""
    rows = Tenant.objects.filter(uid=uid, deleted_at=None) if is_uid(uid) else Tenant.objects.none()
    return rows.values_list("pk", flat=True).first()


def lock_tenant(*, sender: type[Model], tenant_id: UUID, **_: Any) -> None:
    """Lock a tenant until the transaction ends, which creates a row of ``sender`` (receiver of ``tenant_required``).

    Raises UnknownTenant for a tenant that does not exist or is deleted, LimitExceeded if its plan allows no more rows.
    """
    rows = Tenant.objects.select_related("plan").filter(pk=tenant_id, deleted_at=None)
    tenant = rows.select_for_update(of=["self"], no_key=True).first()
    if tenant is None:
        raise UnknownTenant(tenant_id)
    check_row_limit(tenant, sender)
