"""Delete events that are older than their tenant's retention, in small batches, for a bounded time.

Attempts and dead letters are deleted with their delivery, deliveries before their event, so that a crash leaves no row
without its parent. The age is that of the event, by its key. A delivery stays while it is unfinished, and if it was
replayed or dead-lettered within the retention; an event stays as long as one of its deliveries does.

Where an archive is set up, events are archived before they are deleted (``delivery.archiving``), and stay while that is
not possible.

Rows that another transaction has locked are skipped, and a batch takes a few milliseconds. A replay locks its events,
so that none of its new deliveries loses its event.
"""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from delivery import telemetry
from delivery.archiving.archive import archive_old
from delivery.archiving.storage import ArchiveDown
from delivery.archiving.storage import is_on as has_archive
from delivery.reading import queries
from delivery.sql.retention import (
    delete_broadcasts,
    delete_dead_letter_jobs,
    delete_deliveries,
    delete_erasures,
    delete_events,
    delete_replays,
    lock_old_deliveries,
    lock_old_events,
    tenants_with_old_events,
)

EVENT_BATCH = 500  # events looked at in one transaction
DELIVERY_BATCH = 2_000  # deliveries deleted in one transaction
BUDGET = 10.0  # seconds one call may take
ARCHIVE_BUDGET = 30.0  # the same where it writes the events to an archive
DEFAULT_DAYS = 90  # for broadcasts and replays over all tenants, which have no tenant with a retention
ERASURE_DAYS = 3 * 365  # an erasure is evidence that it was done, without what was erased
SHORTEST_RETENTION = timedelta(days=1)


class DeletedRows(NamedTuple):
    """The number of rows deleted from each table."""

    events: int = 0
    deliveries: int = 0
    attempts: int = 0
    dead_letters: int = 0
    replays: int = 0
    broadcasts: int = 0
    erasures: int = 0
    dead_letter_jobs: int = 0


def apply_retention() -> DeletedRows:
    """Delete what is past its retention; the next call continues where the budget of time ended this one."""
    until = time.monotonic() + (ARCHIVE_BUDGET if has_archive() else BUDGET)
    total = DeletedRows(
        replays=delete_replays(DEFAULT_DAYS),
        broadcasts=delete_broadcasts(DEFAULT_DAYS),
        erasures=delete_erasures(ERASURE_DAYS),
        dead_letter_jobs=delete_dead_letter_jobs(DEFAULT_DAYS),
    )
    try:
        for batch in _batches(timezone.now()):
            total = DeletedRows(*(a + b for a, b in zip(total, batch, strict=True)))
            if time.monotonic() > until:
                break
    except ArchiveDown as error:
        telemetry.archive_down(error)
    telemetry.retention_applied(**total._asdict())
    return total


def _batches(now: datetime) -> Iterator[DeletedRows]:
    for tenant in tenants_with_old_events(queries.place(now - SHORTEST_RETENTION)):
        cutoff = now - timedelta(days=tenant.days)
        is_archived = has_archive() and tenant.archives_events
        yield from _archived(tenant.id, cutoff) if is_archived else _batches_of(tenant.id, cutoff)


def _archived(tenant_id: UUID, cutoff: datetime) -> Iterator[DeletedRows]:
    return (DeletedRows(**counts) for counts in archive_old(tenant_id, cutoff))


def _batches_of(tenant_id: UUID, cutoff: datetime) -> Iterator[DeletedRows]:
    after = UUID(int=0)
    while True:
        with transaction.atomic():
            events = lock_old_events(tenant_id, after, queries.place(cutoff), EVENT_BATCH)
            if not events:
                return
            deleted, is_complete = _delete(events, cutoff)
        after = events[-1] if is_complete else after
        yield deleted


def _delete(events: list[UUID], cutoff: datetime) -> tuple[DeletedRows, bool]:
    """Delete what may go of these events; return False if there are more deliveries than one batch takes."""
    finished = lock_old_deliveries(events, cutoff, DELIVERY_BATCH)
    counts = delete_deliveries(finished) if finished else {}
    if len(finished) == DELIVERY_BATCH:
        return DeletedRows(**counts), False
    return DeletedRows(events=delete_events(events, cutoff), **counts), True
