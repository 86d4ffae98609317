"""Remove what is older than its tenant keeps, in small batches, for a bounded time, and nothing that is still owed.

From the leaves to the root: attempts and dead letters with their delivery, deliveries before their event, so that
whatever is left after a crash is whole. The age is that of the event, by its key. A delivery stays as long as it has
not ended, or began anew (a replay) or died within the time; an event as long as one of its deliveries does.

Nobody waits for it: rows that somebody has locked are passed over, and a batch is a few milliseconds long. Whoever owes
an event of the past has locked it (see ``past``), so no delivery is left without its event.
"""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from delivery import telemetry
from delivery.reading import queries

__all__ = ["Removed", "retire"]

EVENTS = 500  # events looked at in one batch
DELIVERIES = 2_000  # deliveries removed in one batch
BUDGET = 10.0  # seconds a call may take
DEFAULT_DAYS = 90  # replays over all tenants are nobody's


class Removed(NamedTuple):
    """How many rows of each table are gone."""

    events: int = 0
    deliveries: int = 0
    attempts: int = 0
    dead_letters: int = 0
    replays: int = 0


TENANTS_WITH_OLD = """
SELECT t.id, t.retention_days FROM subscriptions_tenant t
 CROSS JOIN LATERAL (SELECT id FROM delivery_event WHERE tenant_id = t.id ORDER BY id LIMIT 1) oldest
 WHERE oldest.id < %(latest)s
"""
OLD_EVENTS = """
SELECT id FROM delivery_event
 WHERE tenant_id = %(tenant)s AND id > %(after)s AND id < %(before)s
 ORDER BY id LIMIT %(most)s FOR UPDATE SKIP LOCKED
"""
OLD_DELIVERIES = """
SELECT d.id FROM delivery_delivery d
 WHERE d.event_id = ANY(%(events)s) AND d.state IN ('delivered', 'dead', 'cancelled') AND d.started_at < %(cutoff)s
   AND NOT EXISTS (SELECT FROM delivery_deadletter l WHERE l.delivery_id = d.id AND l.died_at >= %(cutoff)s)
 LIMIT %(most)s FOR UPDATE SKIP LOCKED
"""
REMOVE = {
    "attempts": "DELETE FROM delivery_attempt WHERE delivery_id = ANY(%(ids)s)",
    "dead_letters": "DELETE FROM delivery_deadletter WHERE delivery_id = ANY(%(ids)s)",
    "deliveries": "DELETE FROM delivery_delivery WHERE id = ANY(%(ids)s)",
}
REMOVE_EVENTS = """
DELETE FROM delivery_event e
 WHERE id = ANY(%(ids)s) AND NOT EXISTS (SELECT FROM delivery_delivery d WHERE d.event_id = e.id)
"""
REMOVE_REPLAYS = """
DELETE FROM delivery_replay r
 WHERE state <> 'running' AND finished_at < now() - make_interval(days =>
       coalesce((SELECT retention_days FROM subscriptions_tenant t WHERE t.id = r.tenant_id), %(days)s))
"""


def retire() -> Removed:
    """Remove what has outlived its tenant's retention. What is left for want of time, the next call takes."""
    until, total = time.monotonic() + BUDGET, Removed(replays=_count(REMOVE_REPLAYS, {"days": DEFAULT_DAYS}))
    for batch in _batches(timezone.now()):
        total = Removed(*(a + b for a, b in zip(total, batch, strict=True)))
        if time.monotonic() > until:
            break
    telemetry.retired(**total._asdict())
    return total


def _batches(now: datetime) -> Iterator[Removed]:
    """Batch after batch of every tenant that has events which are old enough."""
    latest = queries.place(now - timedelta(days=1))  # the shortest retention there is
    for tenant_id, days in _rows(TENANTS_WITH_OLD, {"latest": latest}):
        yield from _batches_of(tenant_id, now - timedelta(days=days))


def _batches_of(tenant_id: UUID, cutoff: datetime) -> Iterator[Removed]:
    after = UUID(int=0)
    while True:
        with transaction.atomic():
            asked = {"tenant": tenant_id, "after": after, "before": queries.place(cutoff), "most": EVENTS}
            events = [key for (key,) in _rows(OLD_EVENTS, asked)]
            if not events:
                return
            removed, whole = _remove(events, cutoff)
        after = events[-1] if whole else after
        yield removed


def _remove(events: list[UUID], cutoff: datetime) -> tuple[Removed, bool]:
    """Remove of these events what may go; False if there is more of it than one batch takes."""
    asked = {"events": events, "cutoff": cutoff, "most": DELIVERIES}
    ended = [key for (key,) in _rows(OLD_DELIVERIES, asked)]
    counts = {name: _count(statement, {"ids": ended}) for name, statement in REMOVE.items()} if ended else {}
    if len(ended) == DELIVERIES:
        return Removed(**counts), False
    return Removed(events=_count(REMOVE_EVENTS, {"ids": events}), **counts), True


def _rows(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def _count(statement: str, parameters: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)
