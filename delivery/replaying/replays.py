"""Send again what was given up, or what is past: count first, then at a rate, in slices, until done or cancelled.

A replay is a row; whoever asks for one (REST, the admin, the command line) only creates it. ``run_slices`` carries
all running ones a bit further whenever it is called, from any process: a slice and the place it has reached are
written in one transaction, so a crash repeats nothing and skips nothing. What a slice does is said in ``redrive`` (of
dead letters) and ``past`` (of events); in both, a second click, a second replay or a second admin changes nothing.
"""

import time
from datetime import datetime, timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from delivery import notify, telemetry
from delivery.models import Replay
from delivery.replaying import backfill, dead_letters
from delivery.replaying.backfill import Count
from delivery.replaying.dead_letters import Slice, matching
from delivery.replaying.replay_filter import Filter
from subscriptions.models import Tenant
from webhooks.kit.notify import send_task
from webhooks.kit.sql import database_now

__all__ = ["DEFAULT_RATE", "MOST_RATE", "Count", "Filter", "cancel", "preview", "replay", "run_slices"]

SLICE = 500  # deliveries in one transaction
BURST = 2.0  # seconds of the rate that may be made up for at once: the period of beat
SPELL = 5.0  # seconds one replay goes on before the others have their turn
DEFAULT_RATE, MOST_RATE = 100, 10_000  # deliveries per second
RUNNING, FINISHED, CANCELLED = Replay.State.RUNNING, Replay.State.FINISHED, Replay.State.CANCELLED


def preview(tenant: Tenant | None, wanted: Filter) -> Count:
    """How many deliveries a replay with this filter would send now. Raises ValueError, the field's name first."""
    return _count(_asked(tenant, wanted), wanted)


def replay(tenant: Tenant | None, wanted: Filter, *, rate: int = DEFAULT_RATE, by: str) -> Replay:
    """Start to send what matches now, ``rate`` per second at most. ``by`` is kept, and written into each letter.

    Raises ValueError, with the field's name first, for what cannot be carried out.
    """
    if not 1 <= rate <= MOST_RATE:
        raise ValueError("rate", f"is not from 1 to {MOST_RATE} per second")
    row = _asked(tenant, wanted)
    row.rate, row.requested_by = rate, by[:256]
    row.total, row.estimated = _count(row, wanted)
    row.save(force_insert=True)
    transaction.on_commit(lambda: send_task("delivery.replay_slices", "default", expires=1.0))
    telemetry.replay_started(row)
    return row


def _asked(tenant: Tenant | None, wanted: Filter) -> Replay:
    if wanted.of != Replay.Of.DEAD_LETTERS:
        backfill.check(tenant, wanted)
    return Replay(tenant=tenant, of=wanted.of, filter=wanted.as_json(), until_at=database_now())


def _count(row: Replay, wanted: Filter) -> Count:
    if row.of == Replay.Of.DEAD_LETTERS:
        return Count(matching(row.tenant, wanted).count())
    return backfill.count(row, wanted)


def cancel(row: Replay) -> bool:
    """Send nothing more. What is back already goes its way. False: it had ended before."""
    changed = Replay.objects.filter(id=row.id, state=RUNNING).update(state=CANCELLED, finished_at=timezone.now())
    return changed > 0


def run_slices() -> None:
    """Carry every running replay as far as its rate allows by now."""
    for key in list(Replay.objects.filter(state=RUNNING).order_by("id").values_list("id", flat=True)):
        try:
            _run_spell(key)
        except (InterfaceError, OperationalError):
            raise
        except Exception as error:  # of one tenant's making, perhaps: the others go on
            telemetry.replay_failed(key, error)


def _run_spell(key: UUID) -> None:
    until = time.monotonic() + SPELL
    while _run_slice(key) and time.monotonic() < until:
        pass


def _run_slice(key: UUID) -> bool:
    """One slice of one replay, unless somebody else is at it. True if more may follow at once."""
    with transaction.atomic():
        row = Replay.objects.select_for_update(skip_locked=True).filter(id=key, state=RUNNING).first()
        if row is None:
            return False
        now = database_now()
        budget = min(_budget(row, now), SLICE)
        if budget == 0:
            return False
        done = _slice(row, budget)
        row.cursor = done.cursor
        row.replayed += len(done.endpoints)
        row.sliced_at = max(row.sliced_at or row.until_at, now - timedelta(seconds=BURST))
        row.sliced_at += timedelta(seconds=done.spent / row.rate)
        if not done.more:
            row.state, row.finished_at = FINISHED, now
        row.save(update_fields=["cursor", "replayed", "sliced_at", "state", "finished_at"])
    if done.endpoints:
        notify.notify_drains(set(done.endpoints))
    return row.state == RUNNING


def _slice(row: Replay, budget: int) -> Slice:
    wanted = Filter.parse(row.filter, row.of)
    step = dead_letters.slice_of if row.of == Replay.Of.DEAD_LETTERS else backfill.slice_of
    return step(row, wanted, budget)


def _budget(row: Replay, now: datetime) -> int:
    """How many may be sent now. ``sliced_at`` is where the replay stands in time, as in a rate limit."""
    since = row.sliced_at or row.until_at - timedelta(seconds=1)
    return max(0, int(min((now - since).total_seconds(), BURST) * row.rate))
