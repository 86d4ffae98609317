"""Build the querysets of lists: each starts from the tenant and walks one index, whatever the filter.

Which index serves which filter:

    tenant                *_by_tenant (tenant, id)
    endpoint              *_by_endpoint (endpoint, id); the endpoint was found within the tenant
    event                 unique_delivery_per_event_and_endpoint: as many rows as the event has endpoints
    state dead, cancelled delivery_stopped_by_tenant, delivery_stopped_by_endpoint: few among many
    event_id              unique_event_id_per_tenant_and_source
    since, until          the same index: keys are UUIDv7, so a time is a position in it
    none (operators)      the primary key

Every other filter (``list_filters``) is a condition on the rows of such a walk, of which a page reads a limited number.

A key is stamped by the process that writes the row, and may differ from the column by some milliseconds. The key
bounds the walk, with SLACK on both sides; the column decides.
"""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db.models import Exists, Model, OuterRef, QuerySet

from delivery.models import Attempt, DeadLetter, DelayedEvent, Delivery, Event, Replay
from subscriptions.models import Endpoint
from webhooks.wire import ids

M = TypeVar("M", bound=Model)

STOPPED = (Delivery.State.DEAD, Delivery.State.CANCELLED, Delivery.State.SUPERSEDED)  # states with a partial index
SLACK = 60_000  # milliseconds that key and column may differ: clock skew, late commits
MAX_NUMBER_DIGITS = 5  # attempts are numbered up to 32,767
MAX_MS = 2**48 - 1  # the last timestamp of a UUIDv7 (RFC 9562, section 5.7)


def events(
    tenant_id: UUID | None,
    *,
    source: str | None = None,
    event_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[Event]:
    """Return events without their bodies. ``event_id`` is the CloudEvent's id, alone or with its ``source``."""
    rows = below(
        tenant_id, Event.objects.select_related("deferred_fan_out", "delay").defer("body", "original", "digest")
    )
    conditions = {"source": source, "event_id": event_id}
    rows = rows.filter(**{name: value for name, value in conditions.items() if value is not None})
    return within(rows, "created_at", since, until)


def routed_events(
    tenant_id: UUID | None, *, since: datetime | None = None, until: datetime | None = None
) -> QuerySet[Event]:
    """Return events without their bodies, except those that wait for their time of delivery."""
    waiting = DelayedEvent.objects.filter(event=OuterRef("pk"), state=DelayedEvent.State.WAITING)
    return events(tenant_id, since=since, until=until).select_related(None).filter(~Exists(waiting))


def deliveries(
    tenant_id: UUID | None,
    *,
    endpoint: Endpoint | None = None,
    event: Event | None = None,
    state: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[Delivery]:
    """Return deliveries with their events, without bodies.

    ``endpoint`` and ``event`` belong to the tenant already. ``state`` is one of STOPPED.
    """
    rows = Delivery.objects.select_related("event").defer("body", "event__body", "event__original", "event__digest")
    if endpoint is None and event is None:
        rows = below(tenant_id, rows)
    conditions = {"endpoint": endpoint, "event": event, "state": state}
    rows = rows.filter(**{name: value for name, value in conditions.items() if value is not None})
    return within(rows, "created_at", since, until)


def attempt(delivery: Delivery, ref: str) -> Attempt | None:
    """Return the attempt of a delivery with this number or id, the latest one of a number; None: there is none."""
    rows = delivery.history.order_by("-id")
    if ref.isascii() and ref.isdecimal() and len(ref) <= MAX_NUMBER_DIGITS:
        found = rows.filter(number=int(ref)).first()
    else:
        try:
            found = rows.filter(pk=ids.parse(Attempt.prefix, ref)).first()
        except ValueError:
            return None
    if found is not None:
        found.delivery = delivery
    return found


def dead_letters(
    tenant_id: UUID | None,
    *,
    endpoint: Endpoint | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[DeadLetter]:
    """Return dead letters with their deliveries and events, without bodies."""
    rows = DeadLetter.objects.select_related("delivery__event")
    rows = rows.defer("delivery__body", "delivery__event__body", "delivery__event__original", "delivery__event__digest")
    rows = below(tenant_id, rows) if endpoint is None else rows.filter(endpoint=endpoint)
    return within(rows, "failed_at", since, until)


def replays(tenant_id: UUID | None) -> QuerySet[Replay]:
    """Return the replays of a tenant, without those that operators ran over all tenants."""
    return below(tenant_id, Replay.objects.all())


def endpoints(tenant_id: UUID | None, ref: str) -> QuerySet[Endpoint]:
    """Return the endpoints in which to look up an id or uid.

    A deleted endpoint is found by its id, for its history; its uid may belong to another endpoint now.
    """
    rows = below(tenant_id, Endpoint.objects.all())
    return rows if ref.startswith("ep_") else rows.filter(deleted_at=None)


def below(tenant_id: UUID | None, rows: QuerySet[M]) -> QuerySet[M]:
    """Restrict rows to a tenant; None: all tenants, for platform keys."""
    return rows if tenant_id is None else rows.filter(tenant_id=tenant_id)


def latest(rows: QuerySet[M], limit: int) -> list[M]:
    """Return the newest ``limit`` rows, newest first, as every list has them."""
    return list(rows.order_by("-id")[:limit])


def within(rows: QuerySet[M], column: str, since: datetime | None, until: datetime | None) -> QuerySet[M]:
    """Restrict rows to those whose ``column`` is at or after ``since`` and before ``until``."""
    if since is not None:
        rows = rows.filter(id__gte=place(since, -SLACK), **{f"{column}__gte": since})
    if until is not None:
        rows = rows.filter(id__lt=place(until, SLACK), **{f"{column}__lt": until})
    return rows


def place(moment: datetime, slack: int = 0) -> UUID:
    """Return the smallest key of a row written at ``moment``, plus ``slack`` milliseconds."""
    milliseconds = int(moment.timestamp() * 1000) + slack
    return UUID(int=min(max(milliseconds, 0), MAX_MS) << 80)
