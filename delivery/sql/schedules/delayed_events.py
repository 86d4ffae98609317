"""Store events that wait for their time, release those whose time has come, cancel one."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.models import DeferredFanOut, DelayedEvent
from delivery.sql.fan_out import INSERT_FAN_OUTS
from webhooks.kit.sql import named_columns, run

WAITING, RELEASED, CANCELLED = (
    DelayedEvent.State.WAITING,
    DelayedEvent.State.RELEASED,
    DelayedEvent.State.CANCELLED,
)
# Reader: the schedule. Index: delayed_event_due.
HAS_DUE_EVENTS = f"EXISTS (SELECT FROM delivery_delayedevent WHERE state = '{WAITING}' AND deliver_at <= now())"


class DelayedRow(NamedTuple):
    """An event that waits, and for which time."""

    event_id: UUID
    deliver_at: datetime


# Reader: publishing, for events with a time of delivery, in the transaction that inserts them.
DELAY_EVENTS = f"""
INSERT INTO delivery_delayedevent (event_id, tenant_id, deliver_at, state)
SELECT d.event_id, %(tenant)s, d.deliver_at, '{WAITING}'
  FROM unnest(%(ids)s::uuid[], %(times)s::timestamptz[]) AS d(event_id, deliver_at)
"""


def delay_events(tenant_id: UUID, rows: Sequence[DelayedRow]) -> None:
    """Store the time of delivery of events that this transaction inserted."""
    if rows:
        run(DELAY_EVENTS, {"tenant": tenant_id, **named_columns("ids times", rows)})


# Reader: the task. Index: delayed_event_due. Later events for ordered endpoints wait for these, if there are any.
RELEASE_DUE = f"""
WITH due AS MATERIALIZED (
    SELECT event_id, tenant_id, deliver_at FROM delivery_delayedevent
     WHERE state = '{WAITING}' AND deliver_at <= now() ORDER BY deliver_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), released AS (
    UPDATE delivery_delayedevent SET state = '{RELEASED}'
      FROM due WHERE delivery_delayedevent.event_id = ANY(ARRAY[due.event_id])
), deferred AS (
    {INSERT_FAN_OUTS}
    SELECT due.event_id, due.tenant_id, '{DeferredFanOut.Reason.SCHEDULED}',
           EXISTS (SELECT FROM subscriptions_endpoint e
                    WHERE e.tenant_id = due.tenant_id AND e.deleted_at IS NULL
                       AND (e.ordering <> '' OR e.latest_only <> ''))
      FROM due ORDER BY due.deliver_at
    RETURNING 1
)
SELECT count(*) FROM deferred
"""


def release_due(limit: int) -> int:
    """Defer the fan-out of up to ``limit`` events whose time has come, oldest first; return how many."""
    ((count,),) = run(RELEASE_DUE, {"limit": limit})
    return int(count)


# Readers: cancelling an event, erasing its data. Index: the primary key.
CANCEL_WAITING = f"""
UPDATE delivery_delayedevent SET state = '{CANCELLED}', cancelled_at = now(), cancelled_by = %(by)s
 WHERE event_id = %(event)s AND state = '{WAITING}'
RETURNING 1
"""


def cancel_waiting(event_id: UUID, by: str) -> bool:
    """Cancel an event that waits for its time; return whether it did."""
    return bool(run(CANCEL_WAITING, {"event": event_id, "by": by}))
