"""Archive what is past its retention, then delete it: nothing is deleted that was not archived before.

Events go by full hours, when the whole hour is past the retention, and each with all of its deliveries: an event stays
as long as one of them does, and is archived in a further object of its hour then. The steps of an object:

    1. read the rows, and write them as an object whose key contains its digest     no transaction, no lock
    2. lock the rows, read them again and compare
    3. insert the row of the index, delete the rows, commit

A process that dies before the commit leaves an object without a row; the next one writes the same object again
(``verify.orphans``). If a row has changed between 1 and 2, by a replay or an erasure, nothing is deleted, and the next
run begins anew. The object is deleted then, since it may contain what is erased: rows never become again what they
were, so no process writes a row for it. Two processes may work on the same events: one finds them locked or deleted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from delivery import metrics, telemetry
from delivery.archiving import lines, storage
from delivery.archiving.hours import full_hour
from delivery.models import Archive
from delivery.sql.archiving.rows import (
    CompleteEvent,
    complete_events,
    lock_deliveries_of,
    lock_events,
    old_events,
    read_attempts,
    read_dead_letters,
    read_deliveries,
    read_events,
)
from delivery.sql.retention import delete_deliveries, delete_events
from webhooks.wire.ids import first_id_at, moment_of, new_id_at

MAX_EVENTS = 2_000  # in one object
MAX_DELIVERIES = 10_000  # in one object, unless one event has more
MAX_BYTES = 8 * 1024**2  # of bodies in one object, before they are compressed, about: a replay reads it as a whole

Counts = Mapping[str, int]  # of deleted rows by table


class _Changed(Exception):
    """Rows have changed since they were read, or another transaction works on them."""


def archive_old(tenant_id: UUID, cutoff: datetime) -> Iterator[Counts]:
    """Archive and delete the hours that ended before ``cutoff``; yield what was deleted after each object.

    Raises storage.ArchiveDown; what was not written then is not deleted.
    """
    after, before = UUID(int=0), first_id_at(full_hour(cutoff))
    while page := old_events(tenant_id, after, before, MAX_EVENTS):
        complete = complete_events(page, cutoff)
        chosen = next_object(complete)
        yield archive_events(tenant_id, chosen, cutoff) if chosen else {}
        after = chosen[-1] if len(chosen) < len(complete) else page[-1]


def next_object(events: Sequence[CompleteEvent]) -> list[UUID]:
    """Return the first of these events that go into one object: of one hour, and not more than one may have."""
    chosen: list[UUID] = []
    size = deliveries = 0
    for it in events:
        size, deliveries = size + it.size, deliveries + it.deliveries
        if chosen and (size > MAX_BYTES or deliveries > MAX_DELIVERIES or _hour(it.id) != _hour(chosen[0])):
            break
        chosen.append(it.id)
    return chosen


def archive_events(tenant_id: UUID, events: Sequence[UUID], cutoff: datetime) -> Counts:
    """Archive these events of one hour in one object, and delete them; return what was deleted.

    Nothing is deleted if they have changed meanwhile. Raises storage.ArchiveDown.
    """
    hour, written = _hour(events[0]), _read(events)
    content = storage.compress(written)
    key = storage.write_object(tenant_id, hour, content)
    try:
        with transaction.atomic():
            counts = _delete(events, written, cutoff)
            kinds = Counter(it.type for it in lines.read_lines(written))
            row = Archive.objects.create(
                id=new_id_at(hour),
                tenant_id=tenant_id,
                begins_at=hour,
                key=key,
                events=counts["events"],
                deliveries=counts["deliveries"],
                types=kinds,
                bytes=len(content),
                sha256=storage.digest_of(content),
            )
    except _Changed:
        if _read(events) != written and not Archive.objects.filter(key=key).exists():
            storage.delete_object(key)
        return {}
    telemetry.archived(row)
    metrics.archive_written()
    return counts


def _delete(events: Sequence[UUID], written: bytes, cutoff: datetime) -> Counts:
    """Delete these events, and all below them, if they are what was written. Raises _Changed."""
    if len(lock_events(events)) < len(events):
        raise _Changed
    deliveries = lock_deliveries_of(events)
    if _read(events) != written:
        raise _Changed
    counts = delete_deliveries(deliveries)
    if delete_events(events, cutoff) < len(events):  # one has a delivery that is locked, or that came just now
        raise _Changed
    return {"events": len(events), **counts}


def _read(events: Sequence[UUID]) -> bytes:
    deliveries = read_deliveries(events)
    keys = [it.id for it in deliveries]
    return lines.write_lines(read_events(events), deliveries, read_attempts(keys), read_dead_letters(keys))


def _hour(event_id: UUID) -> datetime:
    return full_hour(moment_of(event_id))
