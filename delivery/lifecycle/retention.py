"""Remove what is older than its tenant keeps, in small batches, for a bounded time, and nothing that is still owed.

From the leaves to the root: attempts and dead letters with their delivery, deliveries before their event, so that
whatever is left after a crash is whole. The age is that of the event, by its key. A delivery stays as long as it has
not ended, or began anew (a replay) or died within the time; an event as long as one of its deliveries does.

Nobody waits for it: rows that somebody has locked are passed over, and a batch is a few milliseconds long. Whoever owes
an event of the past has locked it (see ``past``), so no delivery is left without its event.
"""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from delivery import telemetry
from delivery.reading import queries
from delivery.sql.retention import (
    delete_deliveries,
    delete_events,
    delete_replays,
    lock_old_deliveries,
    lock_old_events,
    tenants_with_old_events,
)

__all__ = ["Removed", "retire"]

EVENTS = 500  # events looked at in one batch
DELIVERIES = 2_000  # deliveries removed in one batch
BUDGET = 10.0  # seconds a call may take
DEFAULT_DAYS = 90  # replays over all tenants are nobody's


class Removed(NamedTuple):
    """How many rows of each table are gone."""

    events: int = 0
    deliveries: int = 0
    attempts: int = 0
    dead_letters: int = 0
    replays: int = 0


def retire() -> Removed:
    """Remove what has outlived its tenant's retention. What is left for want of time, the next call takes."""
    until, total = time.monotonic() + BUDGET, Removed(replays=delete_replays(DEFAULT_DAYS))
    for batch in _batches(timezone.now()):
        total = Removed(*(a + b for a, b in zip(total, batch, strict=True)))
        if time.monotonic() > until:
            break
    telemetry.retired(**total._asdict())
    return total


def _batches(now: datetime) -> Iterator[Removed]:
    """Batch after batch of every tenant that has events which are old enough."""
    latest = queries.place(now - timedelta(days=1))  # the shortest retention there is
    for tenant_id, days in tenants_with_old_events(latest):
        yield from _batches_of(tenant_id, now - timedelta(days=days))


def _batches_of(tenant_id: UUID, cutoff: datetime) -> Iterator[Removed]:
    after = UUID(int=0)
    while True:
        with transaction.atomic():
            events = lock_old_events(tenant_id, after, queries.place(cutoff), EVENTS)
            if not events:
                return
            removed, whole = _remove(events, cutoff)
        after = events[-1] if whole else after
        yield removed


def _remove(events: list[UUID], cutoff: datetime) -> tuple[Removed, bool]:
    """Remove of these events what may go; False if there is more of it than one batch takes."""
    ended = lock_old_deliveries(events, cutoff, DELIVERIES)
    counts = delete_deliveries(ended) if ended else {}
    if len(ended) == DELIVERIES:
        return Removed(**counts), False
    return Removed(events=delete_events(events), **counts), True
