"""Send archived events again, one slice at a time: restore those that have deliveries now, and create these.

An event is restored under its old id with its old bytes, so that the ``webhook-id`` is the same, and receivers
recognise it. One that nothing is sent of is not restored. One that is there still, or was restored before, is sent
again as a past event is (``backfill``); erased ones are left out. Retention keeps a restored event as long as its
deliveries.

The object is read before the transaction of a slice, and kept by the process until the next one is needed.
"""

import math
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from delivery import telemetry
from delivery.archiving.lines import read_lines
from delivery.archiving.storage import ArchiveChanged, ArchiveDown, is_on, read_object
from delivery.archiving.verify import archives
from delivery.fan_out.budget import MAX_REQUEST_BYTES, SLICE_EVENT_BYTES, SliceBudget, slice_budget
from delivery.models import Archive, Event, Replay
from delivery.replaying.backfill import COUNT_STEPS, PAGE, DeliveryCount, Planner, carry_out
from delivery.replaying.dead_letters import Slice
from delivery.replaying.replay_filter import ReplayFilter
from delivery.sql.archiving.rows import ArchivedEvent, restore_events, share_archive
from webhooks.kit.jobs.sliced_jobs import CANCELLED, RUNNING
from webhooks.kit.rows import is_type_prefix

MAX_READ = 5  # objects that a count reads; beyond them it is extrapolated
SLACK = timedelta(minutes=1)  # that the hour of an event, by its id, may differ from its time


class _Loaded(threading.local):
    """Hold the events of the object that this thread has read last, and its key: an erasure may write it anew."""

    key: str | None = None
    events: Sequence[ArchivedEvent] = ()


_loaded = _Loaded()


def validate() -> None:
    """Raise ValueError, with the field's name first, if there is no archive."""
    if not is_on():
        raise ValueError("scope", "needs an archive, and none is set up (WAYPOST_ARCHIVE_URL)")


def selected_archives(row: Replay, selected: ReplayFilter) -> QuerySet[Archive]:
    """Return the objects that may have matching events, oldest hour first, except those written since the request."""
    since = selected.since and selected.since - SLACK
    until = selected.until and selected.until + SLACK
    rows = archives(row.tenant_id, since=since, until=until).filter(created_at__lte=row.until_at)
    if selected.type and not is_type_prefix(selected.type):
        rows = rows.filter(types__has_key=selected.type)
    return rows


def count(row: Replay, selected: ReplayFilter) -> DeliveryCount:
    """Count the deliveries that the replay would send now; extrapolate from the first objects if there are many.

    Raises ValueError, with the field's name first, if an object cannot be read.
    """
    planner, budget = Planner(row, selected), SliceBudget(COUNT_STEPS, math.inf, MAX_REQUEST_BYTES)
    total = seen = deliveries = 0.0
    is_whole = True
    for number, archive in enumerate(selected_archives(row, selected)):
        events = _possible(archive, selected)
        total += events
        if number >= MAX_READ or budget.is_used:
            is_whole = False
            continue
        planned, part = _count_in(archive, selected, planner, budget)
        deliveries, seen = deliveries + planned, seen + events * part
        is_whole = is_whole and part == 1.0
    return DeliveryCount(round(deliveries if is_whole else deliveries * total / max(seen, 1.0)), not is_whole)


def _count_in(archive: Archive, selected: ReplayFilter, planner: Planner, budget: SliceBudget) -> tuple[int, float]:
    """Return the deliveries of the matching events of an object, and the part of these that the budget sufficed for."""
    try:
        matching = [it for it in read_lines(read_object(archive)) if _matches(it, selected)]
    except (ArchiveChanged, ArchiveDown, ValueError) as error:
        raise ValueError("scope", f"cannot be replayed: {error}") from None
    deliveries = done = 0
    while done < len(matching) and not budget.is_used:
        page = matching[done : done + PAGE]
        plan = planner.plan(_unsaved(page), None, budget)
        deliveries += plan.deliveries
        done += sum(plan.cursor is not None and it.id <= plan.cursor for it in page)
    return deliveries, done / len(matching) if matching else 1.0


def ends(row: Replay, selected: ReplayFilter) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last hour of which objects may have matching events; None: there are none."""
    hours = selected_archives(row, selected).values_list("begins_at", flat=True)
    return hours.first(), hours.last()


def load_next(row: Replay, selected: ReplayFilter) -> bool:
    """Read the object that the next slice needs, unless this thread has it; return whether a slice can run.

    An object that has changed ends the replay, with the reason in its row.
    """
    archive = _current(row, selected)
    if archive is None:
        _loaded.key, _loaded.events = None, ()
    if archive is None or archive.key == _loaded.key:
        return True
    try:
        events = read_lines(read_object(archive))
    except ArchiveDown as error:
        telemetry.archive_down(error)
        return False
    except (ArchiveChanged, ValueError) as error:
        _stop(row, error)
        return False
    _loaded.key, _loaded.events = archive.key, events
    return True


def run_slice(row: Replay, selected: ReplayFilter, limit: int) -> Slice:
    """Send the next events of a replay, about ``limit`` deliveries, as far as a slice goes. Call in a transaction."""
    archive = _current(row, selected)
    if archive is None:
        return Slice([], None, 0, has_more=False)
    if share_archive(archive.id) != _loaded.key:  # another process has come further, or an erasure has rewritten it
        return Slice([], row.cursor, 0, has_more=True, route_cursor=row.route_cursor)
    row.archive = archive.id
    page, is_last = _page(_rest(row, selected))
    events = _lock_or_make(page)
    after = row.route_cursor if events and events[0].id == row.cursor else None
    plan = Planner(row, selected).plan(events, after, slice_budget(limit))
    stored = {it.id for it in events if not it._state.adding} | _restore(row, page, {key for key, _ in plan.new})
    endpoints = carry_out(row, plan._replace(new=[(key, it) for key, it in plan.new if key in stored]))
    is_done = not events or (plan.cursor == events[-1].id and plan.route_cursor is None)
    if is_done:
        return Slice(endpoints, None if is_last else page[-1].id, len(endpoints), has_more=True)
    return Slice(endpoints, plan.cursor, len(endpoints), has_more=True, route_cursor=plan.route_cursor)


def _current(row: Replay, selected: ReplayFilter) -> Archive | None:
    """Return the object that is being replayed, or the next one; None: all are done."""
    rows = selected_archives(row, selected)
    if row.archive is None:
        return rows.first()
    if row.cursor is not None:
        return Archive.objects.get(id=row.archive)
    return rows.filter(id__gt=row.archive).first()


def _rest(row: Replay, selected: ReplayFilter) -> list[ArchivedEvent]:
    """Return the matching events that are left of the object, the one at the cursor included if it is not done."""
    rest = [it for it in _loaded.events if _matches(it, selected)]
    if row.cursor is None:
        return rest
    is_begun = row.route_cursor is not None
    return [it for it in rest if it.id > row.cursor or (is_begun and it.id == row.cursor)]


def _page(events: Sequence[ArchivedEvent]) -> tuple[list[ArchivedEvent], bool]:
    """Return the first of these events, at most PAGE and SLICE_EVENT_BYTES, and whether these are all."""
    page: list[ArchivedEvent] = []
    size = 0
    for it in events[:PAGE]:
        if size >= SLICE_EVENT_BYTES:
            break
        page.append(it)
        size += len(it.body)
    return page, len(page) == len(events)


def _lock_or_make(page: Sequence[ArchivedEvent]) -> list[Event]:
    """Return the events of a page: the rows that are there, locked against retention, and unsaved ones for the others.

    Those that were erased after they had been restored are left out.
    """
    rows = Event.objects.select_for_update(no_key=True).filter(id__in=[it.id for it in page]).order_by("id")
    there = {it.id: it for it in rows.defer("digest")}
    events = [there.get(made.id, made) for made in _unsaved(page)]
    return [it for it in events if it.payload_deleted_at is None]


def _unsaved(rows: Sequence[ArchivedEvent]) -> list[Event]:
    return [
        Event(id=it.id, tenant_id=it.tenant_id, created_at=it.created_at, body=it.body, grant_id=it.grant_id)
        for it in rows
    ]


def _restore(row: Replay, page: Sequence[ArchivedEvent], wanted: set[UUID]) -> set[UUID]:
    """Restore the wanted ones of these events; return those that were not there."""
    rows = [it for it in page if it.id in wanted]
    return restore_events(row.tenant_id, rows) if rows and row.tenant_id else set()


def _possible(archive: Archive, selected: ReplayFilter) -> int:
    """Return how many events of an object may match, by its row."""
    if not selected.type:
        return archive.events
    return sum(number for name, number in archive.types.items() if _is_type(name, selected.type))


def _matches(event: ArchivedEvent, selected: ReplayFilter) -> bool:
    return (
        event.payload_deleted_at is None
        and (not selected.ids or event.id in selected.ids)
        and (not selected.type or _is_type(event.type, selected.type))
        and (not selected.source or event.source == selected.source)
        and (not selected.subject or event.subject == selected.subject)
        and (selected.since is None or event.created_at >= selected.since)
        and (selected.until is None or event.created_at < selected.until)
    )


def _is_type(name: str, pattern: str) -> bool:
    """Return whether a type is the one of the filter, or one below it (``order.*``)."""
    return name.startswith(pattern[:-1]) if is_type_prefix(pattern) else name == pattern


def _stop(row: Replay, error: Exception) -> None:
    rows = Replay.objects.filter(id=row.id, state=RUNNING)
    if rows.update(state=CANCELLED, finished_at=timezone.now(), error=str(error)):
        telemetry.replay_stopped(row.id, error)
