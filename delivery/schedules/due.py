"""Publish the events of due schedules, each once, with turns among tenants.

``run`` is a task; any number may run side by side. A slice works on one tenant, whose queue it locks. One transaction
publishes the events of the tenant's first due schedules and stores the next occurrence of each, or deletes it: either
both are committed or neither, so a crash between any two statements neither loses nor repeats an event. The id of an
event is made of the schedule and the occurrence, so that even a restored backup would find it published.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction

from delivery import metrics, notify, telemetry
from delivery.models import Schedule
from delivery.publishing.plan_limits import publish_within_plan
from delivery.publishing.results import EventLimitExceeded, Published
from delivery.schedules.templates import Occurrence, instant_text, render
from delivery.schedules.timing import due_at, occurrences_of, place_in_window
from delivery.sql.schedules import queues as sql
from delivery.sql.schedules.queues import SettledRow, Turn
from subscriptions.models import Tenant
from webhooks.kit.fair.worker_places import slice_place
from webhooks.wire.bodies.storable_text import storable

RUN_SECONDS = 5.0  # one run of the task; if work is left, it sends the next
SLICE = 500  # schedules in one transaction
MAX_BYTES = 4 * 1024**2  # of the templates in one transaction, unless the first is larger
MISSED_AFTER = timedelta(minutes=5)  # an occurrence that is later than this was missed: see Schedule.CatchUp
RETRY_AFTER = 10.0  # seconds until the turn of a tenant whose slice failed
MAX_REASON = 1_024  # characters
ACTIVE, COMPLETED = Schedule.State.ACTIVE, Schedule.State.COMPLETED


class Due(NamedTuple):
    """A due schedule: the occurrence to publish (None: missed, and not to be published), and the next one."""

    schedule: Schedule
    occurrence: Occurrence | None
    next_at: datetime | None


def run(*, seconds: float = RUN_SECONDS) -> int:
    """Publish what is due, for ``seconds`` at most; return the number of schedules that were settled.

    Returns at once if all processes of this worker that may work in slices do so.
    """
    with slice_place() as is_free:
        settled, is_late = _run_turns(time.monotonic() + seconds) if is_free else (0, False)
    if is_late:
        notify.fan_out_starter.send()  # first: it needs the same place
        notify.schedule_starter.send()
    return settled


def _run_turns(until: float) -> tuple[int, bool]:
    """Publish slices in turns; return the number of schedules, and whether the time was over before nothing was due."""
    total = 0
    while True:
        settled = _run_turn()
        if settled is None:
            return total, False
        total += settled
        if time.monotonic() > until:
            return total, True


def _run_turn() -> int | None:
    """Run a slice of the tenant whose turn it is; None if none has one. A failure delays this tenant only."""
    turn: Turn | None = None
    try:
        with transaction.atomic():
            turn = sql.next_turn()
            return None if turn is None else run_slice(turn)
    except (InterfaceError, OperationalError):
        raise
    except Exception as error:  # caused by one tenant's data; the others must go on
        if turn is None:
            raise
        telemetry.schedules_failed(turn.tenant_id, error)
        sql.delay_turn(turn.tenant_id, RETRY_AFTER)
        return 0


def run_slice(turn: Turn) -> int:
    """Publish the tenant's first due schedules, within the transaction that has locked its queue."""
    schedules = _first_due(turn)
    tenant = Tenant.objects.select_related("plan").filter(id=turn.tenant_id, deleted_at=None).first()
    if tenant is None:
        sql.settle([], [it.id for it in schedules])
    elif schedules:
        found = [plan(schedule, turn.now) for schedule in schedules]
        results = _publish(tenant, found)
        _settle(found, results, turn.now)
    sql.end_turn(turn)
    return len(schedules)


def _first_due(turn: Turn) -> list[Schedule]:
    """Lock and return the tenant's first due schedules, in order."""
    ids: list[UUID] = []
    size = 0
    for key, length in sql.lock_due(turn, SLICE):
        size += length
        if ids and size > MAX_BYTES:
            break
        ids.append(key)
    rows = Schedule.objects.in_bulk(ids)
    return [rows[key] for key in ids]


def plan(schedule: Schedule, now: datetime) -> Due:
    """Return which occurrence of a due schedule is to be published, and which is next."""
    at = schedule.next_at
    if at is None:
        raise ValueError(f"{schedule.public_id} is due without an occurrence")
    occurrences = occurrences_of(schedule)
    reached = now - place_in_window(schedule.id, schedule.flexible_window_minutes)
    is_missed = schedule.due_at is not None and now - schedule.due_at > MISSED_AFTER
    if is_missed and schedule.catch_up == Schedule.CatchUp.NONE:
        return Due(schedule, None, occurrences.next_after(reached))
    if is_missed and schedule.catch_up == Schedule.CatchUp.LATEST:
        at = occurrences.latest_until(reached, at)
    return Due(schedule, Occurrence(at, schedule.occurrences + 1), occurrences.next_after(at))


def _publish(tenant: Tenant, found: Sequence[Due]) -> dict[int, Published]:
    """Publish the events; return the results by position."""
    places = [place for place, due in enumerate(found) if due.occurrence is not None]
    events = [render(it.schedule, it.occurrence) for it in found if it.occurrence is not None]
    results = publish_within_plan(tenant, events) if events else []
    return dict(zip(places, results, strict=True))


def _settle(found: Sequence[Due], results: dict[int, Published], now: datetime) -> None:
    rows, deleted = [], []
    for place, due in enumerate(found):
        row = _settled(due, results.get(place), now)
        is_deleted = due.schedule.action_after_completion == Schedule.AfterCompletion.DELETE and row.published
        if row.state == COMPLETED and is_deleted:
            deleted.append(row.id)
        else:
            rows.append(row)
    sql.settle(rows, deleted)
    published = [found[place].schedule.due_at for place, it in results.items() if it.error is None]
    metrics.schedules_settled(
        published=len(published),
        failed=sum(row.failed for row in rows),
        seconds_late=[(now - due_at).total_seconds() for due_at in published if due_at is not None],
    )


def _settled(due: Due, result: Published | None, now: datetime) -> SettledRow:
    """Return what the occurrence leaves behind. One beyond the publish rate stays due, as soon as the rate allows."""
    schedule = due.schedule
    error = None if result is None else result.error
    if isinstance(error, EventLimitExceeded) and error.exceeded.limit == "publish_rate":
        retry_at = now + timedelta(seconds=error.exceeded.retry_after or 1.0)
        return SettledRow(
            schedule.id, schedule.next_at, retry_at, schedule.last_at, ACTIVE, 0, 0, error.exceeded.message
        )
    at = due.occurrence.at if due.occurrence is not None else schedule.next_at
    reason = "" if error is None else f"{error.attribute or 'event'}: {error.reason}"
    if due.occurrence is None and at is not None:
        reason = f"The occurrence of {instant_text(at)} was missed: nothing ran then, and catch_up is none."
    state = ACTIVE if due.next_at is not None else COMPLETED
    is_published = result is not None and error is None
    return SettledRow(
        schedule.id,
        due.next_at,
        due_at(schedule, due.next_at),
        at,
        state,
        published=int(is_published),
        failed=int(error is not None),
        error=storable(reason)[:MAX_REASON],
    )
