"""Erase what there is about one subject: count first, then erase at a rate, in slices, until finished or cancelled.

An erasure is a row; the REST API and the admin only create it. Of each event of the tenant with this subject, or with
its keyed hash in the place of a masked one, the data is erased as ``erase`` does, with the bodies, responses and dead
letters of its deliveries and the receipts that it was published from. The subject becomes its hash there. Then the
archive is searched (``archived_subject``). A process that dies in a slice leaves the slice undone, and another one
continues.
"""

import time
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from delivery import telemetry
from delivery.lifecycle import archived_subject
from delivery.lifecycle.cancel import UNFINISHED
from delivery.lifecycle.erase import erase, erase_receipts
from delivery.models import Delivery, Erasure, Event
from subscriptions.masking.keys import hash_of
from subscriptions.models import Tenant
from webhooks.kit.fair.worker_places import slice_place
from webhooks.kit.jobs.sliced_jobs import CANCELLED, RUNNING, JobKind, SliceResult
from webhooks.kit.jobs.sliced_jobs import cancel as cancel_job
from webhooks.kit.jobs.turns import Turns
from webhooks.kit.notify import send_task
from webhooks.kit.sql import database_now

SLICE = 50  # events in one transaction
RUN_SECONDS = 5.0  # one run of the task; if work is left, the next one continues
DEFAULT_RATE, MAX_RATE = 100, 1_000  # events per second
MAX_COUNTED = 10_000  # events that are counted
MAX_SUBJECT = 1_024  # characters
IS_WHOLE = Q(payload_deleted_at=None)
HAS_RUNNING = f"EXISTS (SELECT FROM delivery_erasure WHERE state = '{RUNNING}')"  # reader: the schedule


class ErasureCount(NamedTuple):
    """How many events of the tables an erasure would erase now, and how many objects of the archive it would search.

    ``is_lower_bound``: counting stopped at MAX_COUNTED events.
    """

    total: int
    deliveries: int
    unfinished: int
    is_lower_bound: bool
    archives: int


def preview(tenant: Tenant, subject: str) -> ErasureCount:
    """Count what an erasure of this subject would erase now."""
    events = [
        key
        for text in _texts(tenant.id, subject)
        for key in _events(tenant.id, text, None).filter(IS_WHOLE).values_list("id", flat=True)[: MAX_COUNTED + 1]
    ]
    counted = Delivery.objects.filter(event__in=events[:MAX_COUNTED]).aggregate(
        all=Count("id"), unfinished=Count("id", filter=Q(state__in=UNFINISHED))
    )
    is_more = len(events) > MAX_COUNTED
    archives = archived_subject.count(tenant.id)
    return ErasureCount(min(len(events), MAX_COUNTED), counted["all"], counted["unfinished"], is_more, archives)


def start(tenant: Tenant, subject: str, *, rate: int = DEFAULT_RATE, by: str) -> Erasure:
    """Create an erasure of what there is about this subject now. ``by``: who requested it."""
    row = Erasure(tenant=tenant, subject=subject, subject_hash=hash_of(tenant.id, subject), rate=rate)
    row.until_at, row.requested_by = database_now(), by[:256]
    counted = preview(tenant, subject)
    row.total, row.archives = counted.total, counted.archives
    row.save(force_insert=True)
    transaction.on_commit(lambda: send_task("delivery.erasure_slices", "default", expires=1.0))
    telemetry.erasure_started(row)
    return row


def cancel(row: Erasure) -> bool:
    """Stop a running erasure; return False if it had ended. What it has erased stays erased."""
    with transaction.atomic():
        is_cancelled = cancel_job(row)
        Erasure.objects.filter(id=row.id).exclude(state=RUNNING).update(subject="")
    return is_cancelled


def cancel_all_of(*, tenant_id: UUID, **_: object) -> None:
    """Stop the erasures of a tenant, in the transaction that deletes it (receiver of ``tenant_deleted``)."""
    running = Erasure.objects.filter(tenant=tenant_id, state=RUNNING)
    running.update(state=CANCELLED, finished_at=timezone.now(), subject="")


def run_slices(*, seconds: float = RUN_SECONDS) -> None:
    """Continue the running erasures as far as their rates allow now, for ``seconds`` at most.

    Returns at once if no process of this worker is left that may run slices (``slice_place``).
    """
    with slice_place() as is_free:
        if is_free:
            _turns.run_round(time.monotonic() + seconds)


def _before_slice(key: UUID) -> bool:
    """Prepare the object of the archive that the next slice needs; return whether there is a slice to run."""
    row = Erasure.objects.filter(id=key, state=RUNNING, is_in_archive=True).first()
    return row is None or archived_subject.prepare(row)


def _run_slice(row: Erasure, limit: int) -> SliceResult:
    """Erase the next events of the tables, or those in the next object of the archive."""
    if row.is_in_archive:
        return archived_subject.run_slice(row)
    events = _next_events(row, limit)
    for event in events:
        deliveries = Delivery.objects.filter(event=event)
        row.deliveries += deliveries.count()
        row.cancelled += deliveries.filter(state__in=UNFINISHED).count()
        row.erased += erase(event, archived_subject.by_whom(row), replaced=(row.subject, row.subject_hash))
        row.cursor = event.id
    row.receipts += erase_receipts(row.tenant_id, events)
    row.is_in_archive = len(events) < limit
    return SliceResult(len(events), has_more=True)


def _next_events(row: Erasure, limit: int) -> list[Event]:
    """Return the events after the cursor, as they are before they are erased."""
    found: list[Event] = []
    for text in _texts(row.tenant_id, row.subject):
        rows = _events(row.tenant_id, text, row.cursor).filter(created_at__lte=row.until_at).defer("original")
        # One that was erased by itself has its subject still; with the hash for a subject it has nothing left.
        found += (rows if text == row.subject else rows.filter(IS_WHOLE))[:limit]
    return sorted(found, key=lambda it: it.id)[:limit]


def _events(tenant_id: UUID, text: str, after: UUID | None) -> QuerySet[Event]:
    """Return the events with this subject after a cursor, oldest first. Index: event_by_subject."""
    rows = Event.objects.filter(tenant=tenant_id, subject=text)
    return (rows if after is None else rows.filter(id__gt=after)).order_by("id")


def _texts(tenant_id: UUID, subject: str) -> tuple[str, str]:
    """Return what the subject of events may be: as given, or its hash where it is masked."""
    return subject, hash_of(tenant_id, subject)


KIND: JobKind[Erasure] = JobKind(
    Erasure,
    SLICE,
    (
        *("cursor", "erased", "deliveries", "cancelled", "receipts", "subject", "is_in_archive", "archive_cursor"),
        *("archives_searched", "archives_rewritten", "archives_missing", "erased_in_archive", "last_error"),
    ),
    _run_slice,
    telemetry.erasure_failed,
    _before_slice,
)
_turns = Turns(KIND)
