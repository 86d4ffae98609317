"""Lists start from the tenant and walk one index; no filter makes them read a whole table.

Which index serves which filter (``models.py`` names this file as their reader):

    a tenant              *_pages               (tenant, id)
    an endpoint           *_endpoint_pages      (endpoint, id); the endpoint was found below the tenant
    an event              an_event_is_owed_once (event, endpoint): as many rows as the event has endpoints
    dead, cancelled       delivery_stopped, delivery_endpoint_stopped: what did not arrive is few among many
    an event's own id     an_event_is_taken_once (tenant, event_id, source)
    since, until          the same index again: keys are UUIDv7, so an instant is a place in it
    nothing (operators)   the primary key

Every other filter (``delivery.reading.list_filters``) is a condition on the rows of such a walk, and a page looks at
so many
of them at most.

The key is stamped by the process that wrote the row and the column need not agree to the millisecond, hence the
slack: the key narrows the walk (so an ``until`` in the past costs the rows of one minute), the column decides.
"""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from delivery.models import DeadLetter, Delivery, Event, Replay
from subscriptions.models import Endpoint

__all__ = ["STOPPED", "dead_letters", "deliveries", "endpoints", "events", "latest", "place", "replays", "within"]

M = TypeVar("M", bound=Model)

STOPPED = (Delivery.State.DEAD, Delivery.State.CANCELLED)  # states with an index of their own
SLACK = 60_000  # milliseconds a key and its column may differ: clocks, and a publisher that commits late
LAST_MS = 2**48 - 1  # what a UUIDv7 can say (RFC 9562, 5.7)


def events(
    tenant_id: UUID | None,
    *,
    source: str | None = None,
    event_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[Event]:
    """What was published, without the bytes. ``event_id`` is looked up, alone or with its ``source``."""
    rows = below(tenant_id, Event.objects.defer("body", "digest"))
    wanted = {"source": source, "event_id": event_id}
    rows = rows.filter(**{name: value for name, value in wanted.items() if value is not None})
    return within(rows, "created_at", since, until)


def deliveries(
    tenant_id: UUID | None,
    *,
    endpoint: Endpoint | None = None,
    event: Event | None = None,
    state: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[Delivery]:
    """What is or was owed, with the event it is about, without any bytes. ``endpoint`` and ``event`` were found
    below the tenant, so it need not be asked again. ``state`` is one of STOPPED."""
    rows = Delivery.objects.select_related("event").defer("body", "event__body", "event__digest")
    if endpoint is None and event is None:
        rows = below(tenant_id, rows)
    wanted = {"endpoint": endpoint, "event": event, "state": state}
    rows = rows.filter(**{name: value for name, value in wanted.items() if value is not None})
    return within(rows, "created_at", since, until)


def dead_letters(
    tenant_id: UUID | None,
    *,
    endpoint: Endpoint | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[DeadLetter]:
    """What was given up, with the event it is about, without any bytes."""
    rows = DeadLetter.objects.select_related("delivery__event")
    rows = rows.defer("delivery__body", "delivery__event__body", "delivery__event__digest")
    rows = below(tenant_id, rows) if endpoint is None else rows.filter(endpoint=endpoint)
    return within(rows, "died_at", since, until)


def replays(tenant_id: UUID | None) -> QuerySet[Replay]:
    """The replays of a tenant; those an operator ran over all tenants are not among them."""
    return below(tenant_id, Replay.objects.all())


def endpoints(tenant_id: UUID | None, ref: str) -> QuerySet[Endpoint]:
    """Where to look for an endpoint by this id or uid. A deleted one is found by its id, for its history; its
    uid may be another's by now."""
    rows = below(tenant_id, Endpoint.objects.all())
    return rows if ref.startswith("ep_") else rows.filter(deleted_at=None)


def below(tenant_id: UUID | None, rows: QuerySet[M]) -> QuerySet[M]:
    """These rows of this tenant; of every tenant, for an operator who named none."""
    return rows if tenant_id is None else rows.filter(tenant_id=tenant_id)


def latest(rows: QuerySet[M], most: int) -> list[M]:
    """The newest of these rows, oldest first."""
    return list(rows.order_by("-id")[:most])[::-1]


def within(rows: QuerySet[M], column: str, since: datetime | None, until: datetime | None) -> QuerySet[M]:
    """Only rows whose ``column`` is at or after ``since`` and before ``until``."""
    if since is not None:
        rows = rows.filter(id__gte=place(since, -SLACK), **{f"{column}__gte": since})
    if until is not None:
        rows = rows.filter(id__lt=place(until, SLACK), **{f"{column}__lt": until})
    return rows


def place(moment: datetime, slack: int = 0) -> UUID:
    """The least key that a row of this moment, moved by ``slack`` milliseconds, can have."""
    milliseconds = int(moment.timestamp() * 1000) + slack
    return UUID(int=min(max(milliseconds, 0), LAST_MS) << 80)
