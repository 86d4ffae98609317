"""Run a job that is a row, a replay or a broadcast, in slices at its rate until it is finished or cancelled.

A slice and the cursor in the row are committed together, so a crash neither repeats nor skips anything. The row is
locked meanwhile: of several processes one runs the next slice, and the others find it locked and return.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Model
from django.utils import timezone

from webhooks.kit.jobs.pace import allowance, spend
from webhooks.kit.sql import database_now

RUNNING, FINISHED, CANCELLED = "running", "finished", "cancelled"


J = TypeVar("J", bound=Model)  # with the columns of ``pace.PacedJob``, state and finished_at


@dataclass(frozen=True, slots=True)
class SliceResult:
    """Hold the result of a slice: ``spent`` counts against the rate, ``after_commit`` is called after the commit."""

    spent: int
    has_more: bool
    after_commit: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True)
class JobKind(Generic[J]):
    """A kind of job: its table, its slices, and which columns a slice writes beside those of the state and the pace.

    ``size``: the most that one transaction does. ``run``: do up to so much of a row, and set its columns. ``failed``:
    report the exception of a job. ``before``: what a slice needs and must not do in its transaction, such as reading
    over the network; returns whether the slice may run.
    """

    model: Any
    size: int
    columns: tuple[str, ...]
    run: Callable[[J, int], SliceResult]
    failed: Callable[[UUID, Exception], object]
    before: Callable[[UUID], bool] = lambda _key: True


def run_turn(kind: JobKind[Any], key: UUID, until: float) -> None:
    """Run slices of a job as far as its rate allows, at least one, until a moment of the monotonic clock.

    Raises InterfaceError and OperationalError; any other exception is reported, and must not stop other jobs.
    """
    try:
        while run_slice(kind, key) and time.monotonic() < until:
            pass
    except (InterfaceError, OperationalError):
        raise
    except Exception as error:
        kind.failed(key, error)


def run_slice(kind: JobKind[Any], key: UUID) -> bool:
    """Run one slice, unless another process has locked the job; return whether more may follow at once."""
    if not kind.before(key):
        return False
    with transaction.atomic():
        row = kind.model.objects.select_for_update(skip_locked=True).filter(id=key, state=RUNNING).first()
        if row is None:
            return False
        now = database_now()
        budget = min(allowance(row, now), kind.size)
        if budget == 0:
            return False
        done = kind.run(row, budget)
        spend(row, done.spent, now)
        if not done.has_more:
            row.state, row.finished_at = FINISHED, now
        row.save(update_fields=[*kind.columns, "sliced_at", "state", "finished_at"])
    done.after_commit()
    return done.has_more


def cancel(row: Any) -> bool:
    """Stop a running job; return False if it had ended. What it has done already stays."""
    rows = type(row).objects.filter(id=row.id, state=RUNNING)
    changed: int = rows.update(state=CANCELLED, finished_at=timezone.now())
    return changed > 0
