"""Replay what failed or is past: count first, then re-queue at a rate, in slices, until finished or cancelled.

A replay is a row; the REST API, the admin and the command only create it. Each call of ``run_slices``, from any
process, continues all running replays (``sliced_jobs``). One slice re-queues dead letters (``dead_letters``), past
events (``backfill``) or archived ones (``archived``); a second request or a second replay of the same rows sends
nothing twice.
"""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from delivery import notify, telemetry
from delivery.models import Replay
from delivery.replaying import archived, backfill, dead_letters
from delivery.replaying.backfill import MAX_ROWS, DeliveryCount
from delivery.replaying.dead_letters import Slice, replayable_dead_letters
from delivery.replaying.replay_filter import ReplayFilter
from subscriptions.models import Endpoint, Tenant
from webhooks.kit.fair.worker_places import slice_place
from webhooks.kit.jobs.sliced_jobs import CANCELLED, RUNNING, JobKind, SliceResult, cancel
from webhooks.kit.jobs.turns import Turns
from webhooks.kit.notify import send_task
from webhooks.kit.sql import database_now

__all__ = ["DEFAULT_RATE", "MAX_RATE", "DeliveryCount", "ReplayFilter", "cancel", "preview", "run_slices", "start"]

SLICE = 500  # deliveries in one transaction
RUN_SECONDS = 5.0  # one run of the task; if work is left, the next continues with the next tenant
DEFAULT_RATE, MAX_RATE = 100, 10_000  # deliveries per second
HAS_RUNNING = f"EXISTS (SELECT FROM delivery_replay WHERE state = '{RUNNING}')"  # reader: the schedule


def preview(tenant: Tenant | None, selected: ReplayFilter) -> DeliveryCount:
    """Count the deliveries that a replay would send now. Raises ValueError with the field's name first."""
    return _count(_new_row(tenant, selected), selected)


def start(tenant: Tenant | None, selected: ReplayFilter, *, rate: int = DEFAULT_RATE, by: str) -> Replay:
    """Create a replay of what matches now, at up to ``rate`` deliveries per second.

    ``by``: who requested it, stored in the replay and in each dead letter. Raises ValueError with the field's name
    first.
    """
    if not 1 <= rate <= MAX_RATE:
        raise ValueError("rate", f"must be from 1 to {MAX_RATE} per second")
    row = _new_row(tenant, selected)
    row.rate, row.requested_by = rate, by[:256]
    counted = _count(row, selected)
    row.total, row.estimated = counted.total, counted.estimated or counted.is_lower_bound
    row.save(force_insert=True)
    transaction.on_commit(lambda: send_task("delivery.replay_slices", "default", expires=1.0))
    telemetry.replay_started(row)
    return row


def _new_row(tenant: Tenant | None, selected: ReplayFilter) -> Replay:
    if selected.scope != Replay.Scope.DEAD_LETTERS:
        backfill.validate(tenant, selected)
    if selected.scope == Replay.Scope.ARCHIVED:
        archived.validate()
    if selected.endpoint and Endpoint.objects.filter(id=selected.endpoint, state=Endpoint.State.DISABLED).exists():
        raise ValueError("endpoint", "is disabled, so nothing is sent to it; enable it first")
    return Replay(tenant=tenant, scope=selected.scope, filter=selected.as_json(), until_at=database_now())


def _count(row: Replay, selected: ReplayFilter) -> DeliveryCount:
    if row.scope == Replay.Scope.DEAD_LETTERS:
        letters = replayable_dead_letters(row.tenant, selected)[: MAX_ROWS + 1].count()
        return DeliveryCount(min(letters, MAX_ROWS), is_lower_bound=letters > MAX_ROWS)
    return archived.count(row, selected) if row.scope == Replay.Scope.ARCHIVED else backfill.count(row, selected)


def cancel_all_of(*, tenant_id: UUID, **_: Any) -> None:
    """Stop the running replays of a tenant, in the transaction that deletes it (receiver of ``tenant_deleted``)."""
    Replay.objects.filter(tenant=tenant_id, state=RUNNING).update(state=CANCELLED, finished_at=timezone.now())


def run_slices(*, seconds: float = RUN_SECONDS) -> None:
    """Continue the running replays as far as their rates allow now, for ``seconds`` at most.

    Returns at once if all processes of this worker that may work in slices do so.
    """
    with slice_place() as is_free:
        is_late = is_free and _turns.run_round(time.monotonic() + seconds)
    if is_late:
        notify.fan_out_starter.send()  # first: it needs the same place
        notify.replay_starter.send()


def _run_slice(row: Replay, budget: int) -> SliceResult:
    """Re-queue the next deliveries."""
    selected = ReplayFilter.parse(row.filter, row.scope)
    done = RUN.get(row.scope, backfill.run_slice)(row, selected, budget)
    row.cursor, row.route_cursor = done.cursor, done.route_cursor
    row.replayed += len(done.endpoints)
    endpoints = set(done.endpoints)
    return SliceResult(done.spent, done.has_more, lambda: notify.notify_drains(endpoints) if endpoints else None)


def _before_slice(key: UUID) -> bool:
    """Read the object of the archive that the next slice needs; return whether there is a slice to run."""
    row = Replay.objects.filter(id=key, scope=Replay.Scope.ARCHIVED).first()
    return row is None or archived.load_next(row, ReplayFilter.parse(row.filter, row.scope))


RUN: dict[str, Callable[[Replay, ReplayFilter, int], Slice]] = {
    Replay.Scope.DEAD_LETTERS: dead_letters.run_slice,
    Replay.Scope.ARCHIVED: archived.run_slice,
}
KIND: JobKind[Replay] = JobKind(
    Replay,
    SLICE,
    ("cursor", "route_cursor", "archive", "replayed"),
    _run_slice,
    telemetry.replay_failed,
    before=_before_slice,
)
_turns = Turns(KIND)
