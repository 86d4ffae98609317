"""Find events by what is not their key: their own id, subject, type, or a value at an indexed path of their type."""

from uuid import UUID

from django.db.models import QuerySet

from delivery.models import Event
from delivery.sql.finding.event_values import find_by_value, find_by_value_anywhere
from subscriptions.models import Tenant

MAX_FOUND = 1_000  # events that a search takes into account, the newest of each kind
MAX_SCANNED = 20_000  # newest events that are looked through for a type or a subject
ROOT = "data."


def read_value(text: str) -> tuple[str | None, str]:
    """Return path (None: any) and value of a filter such as ``data.order.id:4711``, or only ``4711``."""
    path, colon, value = text.partition(":")
    return (path, value) if colon and path.startswith(ROOT) else (None, text)


def events_with_value(tenant_id: UUID | None, text: str) -> list[UUID]:
    """Return the newest events with a value at an indexed path; ``tenant_id`` None: of all tenants."""
    path, value = read_value(text)
    if tenant_id is None:
        return find_by_value_anywhere(value, path, MAX_FOUND)
    return find_by_value(tenant_id, value, path, MAX_FOUND)


def events_with_own_id(text: str) -> list[UUID]:
    """Return the newest events of all tenants with this CloudEvent id.

    Index: unique_event_id_per_tenant_and_source, once per tenant.
    """
    rows = Event.objects.filter(event_id=text, tenant__in=Tenant.objects.values("id"))
    return list(rows.order_by("-id").values_list("id", flat=True)[:MAX_FOUND])


def find_events(text: str, *, by_value: bool) -> list[UUID]:
    """Return the newest events of all tenants that have this own id, value, type or subject, in this order.

    ``by_value``: whether the one who searches may see payloads: finding a value is seeing it.
    """
    return events_with_own_id(text) or (by_value and events_with_value(None, text)) or _newest(text)


def newest_events() -> QuerySet[Event]:
    """Return the newest MAX_SCANNED events: a walk of the primary key, which no condition makes longer."""
    keys = Event.objects.order_by("-id").values_list("id", flat=True)
    first = keys[MAX_SCANNED - 1 : MAX_SCANNED].first()
    return Event.objects.filter(id__gte=first) if first else Event.objects.all()


def _newest(text: str) -> list[UUID]:
    """Return those of the newest events with this type (``order.*`` for all below one), or this subject."""
    rows = newest_events()
    by_type = rows.filter(type__startswith=text[:-1]) if text.endswith(".*") else rows.filter(type=text)
    found = by_type if by_type.exists() else rows.filter(subject=text)
    return list(found.order_by("-id").values_list("id", flat=True)[:MAX_FOUND])
