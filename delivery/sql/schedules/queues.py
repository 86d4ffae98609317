"""Give tenants turns, and find and settle their due schedules: by index, whatever the number of schedules is.

A tenant's queue is locked first, then its schedules. Only the holder of the lock on a queue makes schedules
of the tenant due or publishes them; a worker skips queues, and schedules, that others have locked.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from webhooks.kit.sql import named_columns, run

# Reader: the schedule. Index: schedule_queue_due.
HAS_DUE_SCHEDULES = "EXISTS (SELECT FROM delivery_schedulequeue WHERE due_at <= now())"

# Reader: every change that makes schedules due. Index: the primary key. Locks the queue, also where nothing changes.
ENQUEUE = """
INSERT INTO delivery_schedulequeue AS q (tenant_id, due_at, low_water_mark)
VALUES (%(tenant)s, %(due_at)s::timestamptz, %(due_at)s::timestamptz)
    ON CONFLICT (tenant_id) DO UPDATE
   SET due_at = least(q.due_at, excluded.due_at), low_water_mark = least(q.low_water_mark, excluded.low_water_mark)
"""


def enqueue(tenant_id: UUID, due_at: datetime | None) -> None:
    """Lock the tenant's queue until the transaction ends; give it a turn no later than ``due_at``, if that is set."""
    run(ENQUEUE, {"tenant": tenant_id, "due_at": due_at})


class Turn(NamedTuple):
    """The tenant whose turn it is, the time of the database, and from when on its schedules may be due."""

    tenant_id: UUID
    now: datetime
    low_water_mark: datetime


# Reader: the schedule task. Index: schedule_queue_due.
NEXT_TURN = """
SELECT tenant_id, now(), coalesce(low_water_mark, due_at) FROM delivery_schedulequeue
 WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""


def next_turn() -> Turn | None:
    """Lock and return the queue that has waited longest; None if none is due, or others have locked those that are."""
    rows = run(NEXT_TURN, {})
    return Turn(*rows[0]) if rows else None


# Reader: the schedule task. Index: schedule_due, from the low-water mark on.
LOCK_DUE = """
SELECT id, octet_length(template) FROM delivery_schedule
 WHERE tenant_id = %(tenant)s AND due_at >= %(since)s AND due_at <= %(until)s
 ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


def lock_due(turn: Turn, limit: int) -> list[tuple[UUID, int]]:
    """Lock the tenant's first due schedules, without those that are being changed; return id and bytes of template."""
    parameters = {"tenant": turn.tenant_id, "since": turn.low_water_mark, "until": turn.now, "limit": limit}
    return [(key, length) for key, length in run(LOCK_DUE, parameters)]


# Reader: the schedule task, at the end of a slice. Indexes: the primary key; schedule_due. A tenant that has more due
# waits behind those that are due now.
END_TURN = """
WITH first AS (
    SELECT (SELECT due_at FROM delivery_schedule
             WHERE tenant_id = %(tenant)s AND due_at >= %(since)s ORDER BY due_at LIMIT 1) AS due_at
)
UPDATE delivery_schedulequeue q
   SET low_water_mark = first.due_at,
       due_at = CASE WHEN first.due_at IS NOT NULL THEN greatest(first.due_at, clock_timestamp()) END
  FROM first WHERE q.tenant_id = %(tenant)s
"""


def end_turn(turn: Turn) -> None:
    """Let the tenant wait for its next turn: until its first schedule is due, behind other tenants if that is now."""
    run(END_TURN, {"tenant": turn.tenant_id, "since": turn.low_water_mark})


# Reader: the schedule task, after a slice that failed. Index: the primary key.
DELAY_TURN = """
UPDATE delivery_schedulequeue SET due_at = now() + make_interval(secs => %(seconds)s)
 WHERE tenant_id = %(tenant)s AND due_at <= now()
"""


def delay_turn(tenant_id: UUID, seconds: float) -> None:
    """Let a tenant wait whose slice has failed, so that others have their turns."""
    run(DELAY_TURN, {"tenant": tenant_id, "seconds": seconds})


class SettledRow(NamedTuple):
    """A settled schedule: its next occurrence, whether the latest one was published, and why not."""

    id: UUID
    next_at: datetime | None
    due_at: datetime | None
    last_at: datetime | None
    state: str
    published: int
    failed: int
    error: str


# Reader: the schedule task, in the transaction that publishes. Index: the primary key.
SETTLE = """
UPDATE delivery_schedule s
   SET next_at = o.next_at, due_at = o.due_at, last_at = coalesce(o.last_at, s.last_at), state = o.state,
       occurrences = s.occurrences + o.published, failures = s.failures + o.failed, last_error = o.error
  FROM unnest(%(ids)s::uuid[], %(next_at)s::timestamptz[], %(due_at)s::timestamptz[], %(last_at)s::timestamptz[],
              %(states)s::text[], %(published)s::int[], %(failed)s::int[], %(errors)s::text[])
       AS o(id, next_at, due_at, last_at, state, published, failed, error)
 WHERE s.id = ANY(ARRAY[o.id])
"""
DELETE = "DELETE FROM delivery_schedule WHERE id = ANY(%(ids)s::uuid[])"


def settle(rows: Sequence[SettledRow], deleted: Sequence[UUID]) -> None:
    """Store what occurrences leave behind, and delete schedules that are completed."""
    if rows:
        run(SETTLE, named_columns("ids next_at due_at last_at states published failed errors", rows))
    if deleted:
        run(DELETE, {"ids": list(deleted)})
