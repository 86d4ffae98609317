"""Read what the ORM cannot express: the first deliveries of many events, the blocking deliveries of ordered lanes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from delivery.models import Delivery
from webhooks.kit.sql import run

PENDING, SENDING = Delivery.State.PENDING, Delivery.State.SENDING

# Reader: the list of events with include=deliveries. Index: the unique (event, endpoint).
FIRST_DELIVERIES = """
SELECT first.id FROM unnest(%(events)s::uuid[]) AS event(id)
 CROSS JOIN LATERAL (
       SELECT id FROM delivery_delivery WHERE event_id = event.id ORDER BY endpoint_id LIMIT %(limit)s) first
"""


def first_deliveries(event_ids: Sequence[UUID], limit: int) -> list[UUID]:
    """Return the ids of up to ``limit`` deliveries of each event."""
    return [row[0] for row in run(FIRST_DELIVERIES, {"events": list(event_ids), "limit": limit})]


# Reader: filters by source. Index: event_by_tenant, backwards.
LATEST_SOURCES = """
SELECT source, sum(count(*)) OVER () AS events
  FROM (SELECT source FROM delivery_event WHERE tenant_id = %(tenant)s ORDER BY id DESC LIMIT %(limit)s) latest
 GROUP BY source ORDER BY count(*) DESC, source
"""


def latest_sources(tenant_id: UUID, limit: int) -> tuple[list[str], int]:
    """Return the sources of a tenant's latest events, at most ``limit``, the most frequent first; and how many events.

    Fewer than ``limit`` are all that are kept.
    """
    rows = run(LATEST_SOURCES, {"tenant": tenant_id, "limit": limit})
    return [source for source, _ in rows], int(rows[0][1]) if rows else 0


# Reader: filters by a source that none of the latest events has. Index: unique_event_id_per_tenant_and_source, alone.
WALK_SOURCES = """
SELECT coalesce(bool_or(source = %(source)s), false), count(*)
  FROM (SELECT source FROM delivery_event WHERE tenant_id = %(tenant)s ORDER BY event_id LIMIT %(limit)s) events
"""


def walk_sources(tenant_id: UUID, source: str, limit: int) -> tuple[bool, int]:
    """Return whether any of up to ``limit`` events of a tenant has this source, and how many events those are."""
    ((is_found, events),) = run(WALK_SOURCES, {"tenant": tenant_id, "source": source, "limit": limit})
    return bool(is_found), int(events)


# Reader: the filter by a schedule that is not there any more. Index: event_by_tenant, backwards.
WALK_EVENT_IDS = """
SELECT coalesce(bool_or(starts_with(event_id, %(prefix)s)), false), count(*)
  FROM (SELECT event_id FROM delivery_event WHERE tenant_id = %(tenant)s ORDER BY id DESC LIMIT %(limit)s) latest
"""


def walk_event_ids(tenant_id: UUID, prefix: str, limit: int) -> tuple[bool, int]:
    """Return whether the own id of any of a tenant's latest events begins so, and how many events were looked at."""
    ((is_found, events),) = run(WALK_EVENT_IDS, {"tenant": tenant_id, "prefix": prefix, "limit": limit})
    return bool(is_found), int(events)


# Reader: the status of an endpoint. Index: delivery_by_order_key, walked from one order key to the next.
BLOCKING_DELIVERIES = f"""
WITH RECURSIVE heads AS (
    (SELECT id, order_key, state, attempts, next_attempt_at, last_status, last_error, 1 AS n FROM delivery_delivery
      WHERE endpoint_id = %(endpoint)s AND order_key IS NOT NULL AND state IN ('{PENDING}', '{SENDING}')
      ORDER BY order_key, created_at, id LIMIT 1)
    UNION ALL
    SELECT next.*, heads.n + 1 FROM heads CROSS JOIN LATERAL (
           SELECT id, order_key, state, attempts, next_attempt_at, last_status, last_error FROM delivery_delivery
            WHERE endpoint_id = %(endpoint)s AND order_key > heads.order_key AND state IN ('{PENDING}', '{SENDING}')
            ORDER BY order_key, created_at, id LIMIT 1) next
     WHERE heads.n < %(keys)s
)
SELECT order_key, id, attempts, next_attempt_at, last_status, last_error FROM heads
 WHERE state = '{PENDING}' AND attempts > 0 AND next_attempt_at > now()
 ORDER BY next_attempt_at DESC LIMIT %(limit)s
"""


def blocking_deliveries(endpoint_id: UUID, keys: int, limit: int) -> list[tuple[Any, ...]]:
    """Return the failed heads among the first ``keys`` order keys, the longest wait first.

    Columns: order key, delivery id, attempts, next attempt, last status, last error.
    """
    return run(BLOCKING_DELIVERIES, {"endpoint": endpoint_id, "keys": keys, "limit": limit})


# Reader: explanations of pending deliveries. Index: delivery_due, from the lane's low-water mark on.
COUNT_AHEAD = f"""
SELECT count(*) FROM (
       SELECT FROM delivery_delivery
        WHERE endpoint_id = %(endpoint)s AND state = '{PENDING}' AND next_attempt_at < %(due_at)s
          AND next_attempt_at >= coalesce((SELECT low_water_mark FROM delivery_lane WHERE endpoint_id = %(endpoint)s),
                                          'epoch')
        LIMIT %(limit)s) ahead
"""


def count_ahead(endpoint_id: UUID, due_at: datetime, limit: int) -> int:
    """Return how many pending deliveries of an endpoint are due before this time, counted up to ``limit``."""
    ((count,),) = run(COUNT_AHEAD, {"endpoint": endpoint_id, "due_at": due_at, "limit": limit})
    return int(count)


# Reader: explanations of pending deliveries with an order key. Index: delivery_by_order_key.
FIND_HEAD = f"""
SELECT id FROM delivery_delivery
 WHERE endpoint_id = %(endpoint)s AND order_key = %(key)s AND state IN ('{PENDING}', '{SENDING}')
 ORDER BY created_at, id LIMIT 1
"""


def find_head(endpoint_id: UUID, order_key: str) -> UUID | None:
    """Return the oldest unfinished delivery with this order key; None if there is none."""
    rows = run(FIND_HEAD, {"endpoint": endpoint_id, "key": order_key})
    return rows[0][0] if rows else None
