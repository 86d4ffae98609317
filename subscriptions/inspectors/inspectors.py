"""Create, find and delete request inspectors. All their limits are here; docs/reference/limits.md lists them."""

import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from subscriptions.errors import StateConflict
from subscriptions.models import Inspector, Tenant
from webhooks.outgoing.own_address import INSPECTOR_PATH

INSPECTORS_PER_TENANT = 10
DEFAULT_LIFETIME = 86_400  # seconds: one day
MAX_LIFETIME = 7 * 86_400  # seconds
PAGE_PATH = "/inspectors/"
TOKEN_BYTES = 32


def create_inspector(tenant: Tenant, *, expires_in: int = DEFAULT_LIFETIME, **fields: Any) -> Inspector:
    """Create an inspector that expires in ``expires_in`` seconds.

    Raises StateConflict if the tenant has INSPECTORS_PER_TENANT of them already.
    """
    now = timezone.now()
    with transaction.atomic():
        Tenant.objects.select_for_update(no_key=True).only("pk").get(pk=tenant.pk)
        if Inspector.objects.filter(tenant=tenant, expires_at__gt=now).count() >= INSPECTORS_PER_TENANT:
            text = f"There are {INSPECTORS_PER_TENANT} inspectors, the maximum of a tenant. Delete one first."
            raise StateConflict("tenant", text)
        return Inspector.objects.create(
            tenant=tenant,
            token=secrets.token_urlsafe(TOKEN_BYTES),
            page_token=secrets.token_urlsafe(TOKEN_BYTES),
            expires_at=now + timedelta(seconds=expires_in),
            **fields,
        )


def change_inspector(inspector: Inspector, fields: dict[str, Any]) -> Inspector:
    """Write the given fields; return the inspector as it is afterwards. Raises DoesNotExist if it was deleted."""
    if fields:
        Inspector.objects.filter(pk=inspector.pk).update(**fields)
    return Inspector.objects.get(pk=inspector.pk)


def find_inspector(**token: str) -> Inspector | None:
    """Return the inspector with this ``token`` or ``page_token``, if it has not expired."""
    return Inspector.objects.filter(expires_at__gt=timezone.now(), tenant__deleted_at=None, **token).first()


def delete_expired() -> int:
    """Delete the inspectors that have expired, with their requests; return how many."""
    _, deleted = Inspector.objects.filter(expires_at__lte=timezone.now()).delete()
    return deleted.get(Inspector._meta.label, 0)


def url_of(inspector: Inspector) -> str:
    """Return the address to send requests to: the URL for an endpoint."""
    return f"{settings.PUBLIC_URL}{INSPECTOR_PATH}{inspector.token}/"


def page_url_of(inspector: Inspector) -> str:
    """Return the address of the page that shows the requests; anyone who has it can read them."""
    return f"{settings.PUBLIC_URL}{PAGE_PATH}{inspector.page_token}/"
