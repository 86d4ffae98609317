"""Discard or acknowledge dead letters: some of them at once, or all that match a filter by a job in slices.

A discarded dead letter is closed without sending anything again, and cannot be replayed. An acknowledged one can still
be replayed or discarded, but is not counted as open any more: neither on the first page nor by alert rules. Doing it
again changes nothing.
"""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from delivery import telemetry
from delivery.models import DeadLetter, DeadLetterJob
from delivery.replaying.backfill import MAX_ROWS, DeliveryCount
from delivery.replaying.dead_letters import matching_dead_letters
from delivery.replaying.replay_filter import ReplayFilter
from subscriptions.models import Tenant
from webhooks.kit.fair.worker_places import slice_place
from webhooks.kit.jobs.sliced_jobs import CANCELLED, RUNNING, JobKind, SliceResult, cancel
from webhooks.kit.jobs.turns import Turns
from webhooks.kit.notify import send_task
from webhooks.kit.sql import database_now

__all__ = ["acknowledge", "cancel", "change", "discard", "preview", "run_slices", "start"]

SLICE = 1_000  # dead letters in one transaction
RUN_SECONDS = 5.0  # one run of the task; if work is left, the next one continues
MAX_NOTE = 1_024  # characters
DISCARD, ACKNOWLEDGE = DeadLetterJob.Operation.DISCARD, DeadLetterJob.Operation.ACKNOWLEDGE
HAS_RUNNING = f"EXISTS (SELECT FROM delivery_deadletterjob WHERE state = '{RUNNING}')"  # reader: the schedule


def discard(ids: Sequence[UUID], by: str, note: str = "") -> int:
    """Close these dead letters without sending anything again; return how many were not closed before."""
    closed = {"closed_at": Now(), "closed_by": by[:256], "is_discarded": True}
    return _rows(ids).update(**closed, **_noted(note))


def acknowledge(ids: Sequence[UUID], by: str, note: str = "") -> int:
    """Take these dead letters out of the number of open ones; return how many were open."""
    rows = _rows(ids).filter(acknowledged_at=None)
    return rows.update(acknowledged_at=Now(), acknowledged_by=by[:256], **_noted(note))


def change(operation: str, ids: Sequence[UUID], by: str, note: str = "") -> int:
    """Discard or acknowledge these dead letters; return how many changed."""
    return (discard if operation == DISCARD else acknowledge)(ids, by, note)


def preview(tenant: Tenant | None, operation: str, selected: ReplayFilter) -> DeliveryCount:
    """Count the dead letters that a job would change now."""
    found = _matching(tenant, operation, selected)[: MAX_ROWS + 1].count()
    return DeliveryCount(min(found, MAX_ROWS), is_lower_bound=found > MAX_ROWS)


def start(tenant: Tenant | None, operation: str, selected: ReplayFilter, *, by: str, note: str = "") -> DeadLetterJob:
    """Create a job that discards or acknowledges what matches now. ``by``: who requested it."""
    row = DeadLetterJob.objects.create(
        tenant=tenant,
        operation=operation,
        filter=selected.as_json(),
        note=note[:MAX_NOTE],
        total=preview(tenant, operation, selected).total,
        requested_by=by[:256],
        until_at=database_now(),
    )
    transaction.on_commit(lambda: send_task("delivery.dead_letter_slices", "default", expires=1.0))
    telemetry.dead_letter_job_started(row)
    return row


def cancel_all_of(*, tenant_id: UUID, **_: Any) -> None:
    """Stop the running jobs of a tenant, in the transaction that deletes it (receiver of ``tenant_deleted``)."""
    running = DeadLetterJob.objects.filter(tenant=tenant_id, state=RUNNING)
    running.update(state=CANCELLED, finished_at=timezone.now())


def run_slices(*, seconds: float = RUN_SECONDS) -> None:
    """Continue the running jobs for ``seconds`` at most, in turns among tenants.

    Returns at once if all processes of this worker that may work in slices do so.
    """
    with slice_place() as is_free:
        if is_free:
            _turns.run_round(time.monotonic() + seconds)


def _run_slice(row: DeadLetterJob, limit: int) -> SliceResult:
    """Change the next dead letters."""
    selected = ReplayFilter.parse(row.filter)
    rows = _matching(row.tenant, row.operation, selected).filter(failed_at__lte=row.until_at)
    if row.cursor is not None:
        rows = rows.filter(id__gt=row.cursor)
    keys = list(rows.order_by("id").values_list("id", flat=True)[:limit])
    row.changed += change(row.operation, keys, row.requested_by, row.note)
    row.cursor = keys[-1] if keys else row.cursor
    return SliceResult(len(keys), has_more=len(keys) == limit)


KIND: JobKind[DeadLetterJob] = JobKind(
    DeadLetterJob, SLICE, ("cursor", "changed"), _run_slice, telemetry.dead_letter_job_failed
)
_turns = Turns(KIND)


def _matching(tenant: Tenant | None, operation: str, selected: ReplayFilter) -> QuerySet[DeadLetter]:
    """Return the dead letters that the operation changes. Index: dead_letter_replayable."""
    rows = matching_dead_letters(tenant, selected)
    return rows.filter(acknowledged_at=None) if operation == ACKNOWLEDGE else rows


def _rows(ids: Sequence[UUID]) -> QuerySet[DeadLetter]:
    return DeadLetter.objects.filter(id__in=ids, closed_at=None)


def _noted(note: str) -> dict[str, str]:
    """Return the column of the note; nothing without one, so that an earlier one stays."""
    return {"note": note[:MAX_NOTE]} if note else {}
