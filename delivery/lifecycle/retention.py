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
from delivery.archiving import status
from delivery.archiving.archive import archive_old
from delivery.archiving.storage import ArchiveDown
from delivery.archiving.storage import is_on as has_archive
from delivery.reading import queries
from delivery.sql.retention import (
    OldTenant,
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
    run, until = _Run(timezone.now()), time.monotonic() + (ARCHIVE_BUDGET if has_archive() else BUDGET)
    total = DeletedRows(
        replays=delete_replays(DEFAULT_DAYS),
        broadcasts=delete_broadcasts(DEFAULT_DAYS),
        erasures=delete_erasures(ERASURE_DAYS),
        dead_letter_jobs=delete_dead_letter_jobs(DEFAULT_DAYS),
    )
    for batch in run.batches():
        total = DeletedRows(*(a + b for a, b in zip(total, batch, strict=True)))
        if time.monotonic() > until:
            break
    run.record()
    telemetry.retention_applied(**total._asdict())
    return total


class _Run:
    """One run: the batches of all tenants, and what became of the archive. An archive that is away is tried once."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.archive_error: ArchiveDown | None = None
        self.waiting: list[OldTenant] = []
        """The tenants whose events are archived, until those of all of them are."""

    def batches(self) -> Iterator[DeletedRows]:
        """Yield what was deleted, batch by batch."""
        tenants = tenants_with_old_events(queries.place(self.now - SHORTEST_RETENTION))
        self.waiting = [it for it in tenants if has_archive() and it.archives_events]
        for tenant in tenants:
            cutoff = self.now - timedelta(days=tenant.days)
            if tenant not in self.waiting:
                yield from _batches_of(tenant.id, cutoff)
            elif self.archive_error is None:
                yield from self._archived(tenant.id, cutoff)
        if self.archive_error is None:
            self.waiting = []

    def _archived(self, tenant_id: UUID, cutoff: datetime) -> Iterator[DeletedRows]:
        try:
            for counts in archive_old(tenant_id, cutoff):
                yield DeletedRows(**counts)
        except ArchiveDown as error:
            telemetry.archive_down(error)
            self.archive_error = error

    def record(self) -> None:
        """Store how archiving stands."""
        if has_archive():
            waiting = {it.id: timedelta(days=it.days) for it in self.waiting}
            status.record_run(self.now, self.archive_error, waiting)
        else:
            status.forget()


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
