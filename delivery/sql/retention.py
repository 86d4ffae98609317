"""Find and delete what is past its tenant's retention."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from delivery.models import Broadcast, Delivery, Erasure, Replay
from webhooks.kit.sql import run

FINISHED = ", ".join(
    f"'{state}'"
    for state in (
        Delivery.State.DELIVERED,
        Delivery.State.DEAD,
        Delivery.State.CANCELLED,
        Delivery.State.SUPERSEDED,
    )
)

# Reader: the retention task. Index: event_by_tenant, one look-up per tenant.
TENANTS_WITH_OLD_EVENTS = """
SELECT t.id, t.retention_days, t.archives_events FROM subscriptions_tenant t
 CROSS JOIN LATERAL (SELECT id FROM delivery_event WHERE tenant_id = t.id ORDER BY id LIMIT 1) oldest
 WHERE oldest.id < %(before)s
"""
# Reader: the retention task. Index: event_by_tenant.
OLD_EVENTS = """
SELECT id FROM delivery_event
 WHERE tenant_id = %(tenant)s AND id > %(after)s AND id < %(before)s
 ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
# Reader: the retention task. Indexes: the unique (event, endpoint), dead_letter_by_delivery. A delivery stays while
# it is unfinished, and if it was replayed or dead-lettered within the retention.
OLD_DELIVERIES = f"""
SELECT d.id FROM unnest(%(events)s::uuid[]) AS old(event_id)
 CROSS JOIN LATERAL (
       SELECT id FROM delivery_delivery
        WHERE event_id = old.event_id AND state IN ({FINISHED}) AND started_at < %(cutoff)s
          AND NOT EXISTS (SELECT FROM delivery_deadletter l
                           WHERE l.delivery_id = ANY(ARRAY[delivery_delivery.id]) AND l.failed_at >= %(cutoff)s)
        LIMIT %(limit)s FOR UPDATE SKIP LOCKED) d
 LIMIT %(limit)s
"""
# Reader: the retention task. Indexes: attempt_by_delivery, dead_letter_by_delivery, the primary key.
DELETE_DELIVERIES = {
    "attempts": "DELETE FROM delivery_attempt WHERE delivery_id = ANY(%(ids)s::uuid[])",
    "dead_letters": "DELETE FROM delivery_deadletter WHERE delivery_id = ANY(%(ids)s::uuid[])",
    "deliveries": "DELETE FROM delivery_delivery WHERE id = ANY(%(ids)s::uuid[])",
}
# Reader: the retention task. Indexes: the primary key, the unique ones on the event of deliveries and fan-outs. An
# event that is not routed yet has no deliveries, and stays; one with a time of delivery is as old as that.
DELETE_EVENTS = """
DELETE FROM delivery_event e
 WHERE id = ANY(%(ids)s::uuid[]) AND NOT EXISTS (SELECT FROM delivery_delivery d WHERE d.event_id = ANY(ARRAY[e.id]))
   AND NOT EXISTS (SELECT FROM delivery_deferredfanout f WHERE f.event_id = ANY(ARRAY[e.id]))
   AND NOT EXISTS (SELECT FROM delivery_delayedevent w
                    WHERE w.event_id = ANY(ARRAY[e.id]) AND w.deliver_at >= %(cutoff)s)
RETURNING id
"""
DELETE_EVENTS_AND_PARTS = f"""
WITH deleted AS ({DELETE_EVENTS}), delays AS (
    DELETE FROM delivery_delayedevent w USING deleted WHERE w.event_id = ANY(ARRAY[deleted.id])
), found_by AS (
    DELETE FROM delivery_eventvalue v USING deleted WHERE v.event_id = ANY(ARRAY[deleted.id])
)
SELECT count(*) FROM deleted
"""
# Reader: the retention task. The tables are small: one row per request.
DELETE_REPLAYS = f"""
DELETE FROM delivery_replay r
 WHERE state <> '{Replay.State.RUNNING}' AND finished_at < now() - make_interval(days =>
       coalesce((SELECT retention_days FROM subscriptions_tenant t WHERE t.id = r.tenant_id), %(days)s))
"""
DELETE_DEAD_LETTER_JOBS = DELETE_REPLAYS.replace("delivery_replay", "delivery_deadletterjob")
# Reader: the retention task. The table is small: one row per request.
DELETE_ERASURES = f"""
DELETE FROM delivery_erasure
 WHERE state <> '{Erasure.State.RUNNING}' AND finished_at < now() - make_interval(days => %(days)s)
"""
# Reader: the retention task. The table is small: one row per request.
DELETE_BROADCASTS = f"""
DELETE FROM delivery_broadcast
 WHERE state <> '{Broadcast.State.RUNNING}' AND finished_at < now() - make_interval(days => %(days)s)
"""


class OldTenant(NamedTuple):
    """A tenant with old events: its retention in days, and whether its events are archived."""

    id: UUID
    days: int
    archives_events: bool


def tenants_with_old_events(before: UUID) -> list[OldTenant]:
    """Return the tenants whose oldest event has a key below ``before``."""
    return [OldTenant(*row) for row in run(TENANTS_WITH_OLD_EVENTS, {"before": before})]


def lock_old_events(tenant_id: UUID, after: UUID, before: UUID, limit: int) -> list[UUID]:
    """Lock and return up to ``limit`` events of the tenant with keys between the two, skipping locked ones."""
    parameters = {"tenant": tenant_id, "after": after, "before": before, "limit": limit}
    return [row[0] for row in run(OLD_EVENTS, parameters)]


def lock_old_deliveries(events: Sequence[UUID], cutoff: datetime, limit: int) -> list[UUID]:
    """Lock and return up to ``limit`` deliveries of these events that may be deleted, skipping locked ones."""
    parameters = {"events": list(events), "cutoff": cutoff, "limit": limit}
    return [row[0] for row in run(OLD_DELIVERIES, parameters)]


def delete_deliveries(ids: Sequence[UUID]) -> dict[str, int]:
    """Delete deliveries with their attempts and dead letters; return how many rows of each."""
    return {name: _delete(statement, {"ids": list(ids)}) for name, statement in DELETE_DELIVERIES.items()}


def delete_events(ids: Sequence[UUID], cutoff: datetime) -> int:
    """Delete those of these events that have no deliveries and no later time of delivery; return how many."""
    ((count,),) = run(DELETE_EVENTS_AND_PARTS, {"ids": list(ids), "cutoff": cutoff})
    return int(count)


def delete_replays(days: int) -> int:
    """Delete replays that ended before their tenant's retention; ``days`` for those over all tenants."""
    return _delete(DELETE_REPLAYS, {"days": days})


def delete_erasures(days: int) -> int:
    """Delete erasures that ended so many days ago."""
    return _delete(DELETE_ERASURES, {"days": days})


def delete_dead_letter_jobs(days: int) -> int:
    """Delete jobs on dead letters that ended before their tenant's retention; ``days`` for those over all tenants."""
    return _delete(DELETE_DEAD_LETTER_JOBS, {"days": days})


def delete_broadcasts(days: int) -> int:
    """Delete broadcasts that ended so many days ago; the events of the tenants have their own retention."""
    return _delete(DELETE_BROADCASTS, {"days": days})


def _delete(statement: str, parameters: dict[str, Any]) -> int:
    ((count,),) = run(f"WITH deleted AS ({statement} RETURNING 1) SELECT count(*) FROM deleted", parameters)
    return int(count)
