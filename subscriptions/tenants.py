"""A tenant comes with nothing and leaves with everything: deleting one ends its keys and its endpoints."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from subscriptions.models import Endpoint, Secret, Subscription, Tenant
from subscriptions.uids import one_row_per_uid

__all__ = ["change_tenant", "create_tenant", "delete_tenant"]


def create_tenant(name: str, **fields: Any) -> Tenant:
    """A new tenant. Raises Taken for a uid in use."""
    with one_row_per_uid(), transaction.atomic():
        return Tenant.objects.create(name=name, **fields)


def change_tenant(tenant: Tenant, fields: dict[str, Any]) -> Tenant:
    """Write these fields. Raises Taken for a uid in use, Tenant.DoesNotExist if it was deleted meanwhile."""
    rows = Tenant.objects.filter(pk=tenant.pk, deleted_at=None)
    with one_row_per_uid(), transaction.atomic():
        if fields:
            rows.update(**fields)
        return rows.get()


def delete_tenant(tenant: Tenant) -> None:
    """Its keys open nothing any more (within a second), its endpoints get nothing, and its uid is free.

    What it published stays until its retention ends. A second time changes nothing.
    """
    now = timezone.now()
    with transaction.atomic():
        if Tenant.objects.filter(pk=tenant.pk, deleted_at=None).update(deleted_at=now, uid=None):
            Subscription.objects.filter(tenant=tenant).delete()
            Secret.objects.filter(endpoint__tenant=tenant).delete()
            Endpoint.objects.filter(tenant=tenant, deleted_at=None).update(deleted_at=now)
