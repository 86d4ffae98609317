"""Create, change and end grants, by which a tenant lets another one subscribe to its events."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import Grant, Tenant
from subscriptions.routing.type_names import OPERATIONAL

MAX_GRANTS = 100  # in force, of one owner: publishing compares each with the type of an event


def create_grant(tenant: Tenant, grantee: Tenant, **fields: Any) -> Grant:
    """Let the grantee subscribe to events of the tenant, from now on.

    Raises Invalid for the tenant itself as grantee and for types of the platform's own events, StateConflict if the
    tenant has MAX_GRANTS in force.
    """
    if grantee.pk == tenant.pk:
        raise Invalid("grantee", "Must be another tenant.")
    _check_types(fields["event_types"])
    with transaction.atomic():
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        if Grant.objects.filter(tenant=tenant, ended_at=None).count() >= MAX_GRANTS:
            raise StateConflict("grantee", f"At most {MAX_GRANTS} grants of a tenant can be in force; end one first.")
        return Grant.objects.create(tenant=tenant, grantee=grantee, **fields)


def change_grant(grant: Grant, fields: Mapping[str, Any]) -> Grant:
    """Write the given fields only; return the grant as it is afterwards. Applies to events published from now on.

    Raises Invalid as ``create_grant``, and Grant.DoesNotExist if it has ended meanwhile.
    """
    if "event_types" in fields:
        _check_types(fields["event_types"])
    rows = Grant.objects.filter(pk=grant.pk, ended_at=None)
    rows.update(**fields, updated_at=timezone.now())
    return rows.select_related("tenant", "grantee").get()


def end_grant(grant: Grant) -> None:
    """End the grant: nothing that is not copied yet is shared any more. Idempotent; it stays in lists."""
    now = timezone.now()
    Grant.objects.filter(pk=grant.pk, ended_at=None).update(ended_at=now, updated_at=now)


def end_grants_of(*, tenant_id: UUID, **_: Any) -> None:
    """End the grants by and to a tenant that is deleted. Connected to a signal."""
    of_tenant = Q(tenant=tenant_id) | Q(grantee=tenant_id)
    Grant.objects.filter(of_tenant, ended_at=None).update(ended_at=timezone.now())


def _check_types(event_types: Sequence[str]) -> None:
    if any(name.startswith(OPERATIONAL) for name in event_types):
        raise Invalid("event_types", f"Events of the platform itself, {OPERATIONAL}*, cannot be shared.")
