"""Create and change subscriptions within the limits of the tenant's plan."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from subscriptions.models import Subscription, Tenant
from subscriptions.tenants.plans import check_subscription_limits


def create_subscription(tenant: Tenant, fields: Mapping[str, Any]) -> Subscription:
    """Create a subscription. Raises LimitExceeded if the plan allows no more, or fewer bytes."""
    with transaction.atomic():
        created = Subscription.objects.create(tenant=tenant, **fields)
        check_subscription_limits(tenant)
    return created


def change_subscription(row: Subscription, fields: Mapping[str, Any]) -> Subscription:
    """Write the given fields only; return the subscription as it is afterwards.

    Raises LimitExceeded if it becomes larger than the plan allows, and Subscription.DoesNotExist if it was deleted
    meanwhile. A change that makes it no larger is always allowed.
    """
    rows = Subscription.objects.select_related("tenant__plan", "endpoint").filter(pk=row.pk)
    with transaction.atomic():
        before = rows.select_for_update(of=["self"], no_key=True).get()
        rows.update(**fields, updated_at=timezone.now())
        changed = rows.get()
        if changed.size > before.size:
            check_subscription_limits(changed.tenant)
    return changed
