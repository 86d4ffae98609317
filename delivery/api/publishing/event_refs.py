"""Find the event that a request names: by our id (``evt_...``), or by the CloudEvent's own id within the tenant."""

from contextlib import suppress
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError

from delivery.models import Event
from webhooks.kit.rest.lookup import UID_NEEDS_TENANT
from webhooks.wire.ids import parse

AMBIGUOUS = "Several events have this id, from different sources; give the id that begins with evt_."


def find_event(rows: QuerySet[Event], ref: str, *, tenant_id: UUID | None) -> Event | None:
    """Return the event with this id, or this id of its own; None if there is none.

    ``tenant_id``: the tenant whose events ``rows`` are; None: those of all tenants. Raises ValidationError for the own
    id of an event without a tenant, and if events of several sources have it.
    """
    with suppress(ValueError):
        return rows.filter(pk=parse(Event.prefix, ref)).first()
    if not ref or "\0" in ref:
        return None
    if tenant_id is None:
        raise ValidationError({"tenant": [UID_NEEDS_TENANT]}, code="required")
    found = list(rows.filter(tenant_id=tenant_id, event_id=ref)[:2])
    if len(found) > 1:
        raise ValidationError({"event": [AMBIGUOUS]}, code="ambiguous")
    return found[0] if found else None


def require_event(rows: QuerySet[Event], ref: str, *, tenant_id: UUID | None) -> Event:
    """Return the event with this id, or this id of its own, as ``find_event``. Raises NotFound."""
    found = find_event(rows, ref, tenant_id=tenant_id)
    if found is None:
        raise NotFound
    return found
