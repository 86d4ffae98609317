"""Supersede waiting deliveries of endpoints that are sent only the latest of each key (``latest_only``).

The owner of such a lane does it while deliveries wait, and before each claim. A pending delivery is superseded if a
newer event of its key has an unfinished delivery to the endpoint; a delivery that is being sent stays as it is. One
statement changes both rows, so a crash leaves neither a delivery without its successor nor a count without its rows.

What is new in a lane is found by its due time, so the cost follows from what has come since the last call, not from
what waits; a key whose delivery has just ended is looked up directly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from delivery.models import Delivery
from delivery.sql.keyed.order_heads import OVERLAP
from webhooks.kit.sql import run

PENDING, SENDING, SUPERSEDED = Delivery.State.PENDING, Delivery.State.SENDING, Delivery.State.SUPERSEDED
MAX_DUE_READ = 1_000  # due deliveries whose keys one call looks at in one lane
MAX_SUPERSEDED = 1_000  # deliveries that one call supersedes in one lane
MAX_CANDIDATES = 100  # latest created deliveries of a key that the newest event is searched among
MAX_NAMED = 20  # superseded events that a request names


@dataclass(slots=True)
class SupersedeSearch:
    """Hold up to where the due deliveries of one lane were looked at; None: from the low-water mark.

    ``is_complete``: all that are due were looked at, so that the oldest unfinished delivery of a key is the latest.
    """

    due_from: datetime | None = None
    is_complete: bool = False

    def shift(self, seconds: float) -> None:
        """Move by so many seconds, as the database's clock has moved."""
        if self.due_from is not None:
            self.due_from += timedelta(seconds=seconds)


class SupersedeRequest(NamedTuple):
    """A lane to search: from its low-water mark at the beginning, and these keys in any case."""

    endpoint_id: UUID
    low_water_mark: datetime
    search: SupersedeSearch
    keys: Sequence[str] = ()


# Reader: the drain. Indexes: delivery_due, delivery_by_order_key. Rows that others have locked are left for the next
# call. The newest delivery is locked too, so that it is not cancelled at the same time.
SUPERSEDE = f"""
WITH due AS MATERIALIZED (
    SELECT order_key, next_attempt_at FROM delivery_delivery
     WHERE endpoint_id = %(endpoint)s AND state = '{PENDING}' AND next_attempt_at BETWEEN %(due_from)s AND now()
     ORDER BY next_attempt_at FETCH FIRST ({MAX_DUE_READ}) ROWS WITH TIES
), keys AS MATERIALIZED (
    SELECT order_key FROM due WHERE order_key IS NOT NULL
    UNION SELECT * FROM unnest(%(keys)s::text[])
), newest AS MATERIALIZED (
    SELECT keys.order_key, newest.id, newest.event_id FROM keys
     CROSS JOIN LATERAL (
           SELECT latest.id FROM (
                  SELECT id, event_id FROM delivery_delivery
                   WHERE endpoint_id = %(endpoint)s AND order_key = keys.order_key
                     AND state IN ('{PENDING}', '{SENDING}')
                   ORDER BY created_at DESC, id DESC LIMIT {MAX_CANDIDATES}) latest
            ORDER BY event_id DESC LIMIT 1) found
     CROSS JOIN LATERAL (
           SELECT id, event_id FROM delivery_delivery WHERE id = found.id AND state IN ('{PENDING}', '{SENDING}')
              FOR UPDATE SKIP LOCKED) newest
), older AS MATERIALIZED (
    SELECT d.id, d.supersedes, newest.id AS newer_id FROM newest
     CROSS JOIN LATERAL (
           SELECT id, supersedes FROM delivery_delivery
            WHERE endpoint_id = %(endpoint)s AND order_key = newest.order_key AND state = '{PENDING}'
              AND event_id < newest.event_id
            ORDER BY created_at, id LIMIT {MAX_SUPERSEDED} FOR UPDATE SKIP LOCKED) d
     LIMIT {MAX_SUPERSEDED}
), superseded AS (
    UPDATE delivery_delivery d
       SET state = '{SUPERSEDED}', next_attempt_at = NULL, superseded_by_id = older.newer_id, superseded_at = now()
      FROM older WHERE d.id = ANY(ARRAY[older.id])
    RETURNING d.id
), counted AS (
    UPDATE delivery_delivery d SET supersedes = coalesce(d.supersedes, 0) + skipped.count
      FROM (SELECT newer_id, sum(1 + coalesce(supersedes, 0))::int AS count FROM older GROUP BY newer_id) skipped
     WHERE d.id = ANY(ARRAY[skipped.newer_id])
), statistics AS (
    INSERT INTO delivery_hourlystats AS hour (endpoint_id, begins_at, attempts, delivered, rejected, superseded,
                                              latencies, last_error)
    SELECT %(endpoint)s, date_trunc('hour', now(), 'UTC'), 0, 0, 0, count(*), '{{}}', '' FROM superseded
    HAVING count(*) > 0
        ON CONFLICT (endpoint_id, begins_at) DO UPDATE SET superseded = hour.superseded + EXCLUDED.superseded
)
SELECT (SELECT count(*) FROM due), (SELECT max(next_attempt_at) FROM due), now(), (SELECT count(*) FROM superseded)
"""


def supersede_older(request: SupersedeRequest) -> int:
    """Supersede older waiting deliveries of one lane, at most MAX_SUPERSEDED, and advance its search; return how many.

    Call again until the search is complete.
    """
    search = request.search
    parameters = {
        "endpoint": request.endpoint_id,
        "due_from": search.due_from or request.low_water_mark,
        "keys": list(request.keys),
    }
    ((seen, last_due_at, now, superseded),) = run(SUPERSEDE, parameters)
    if superseded < MAX_SUPERSEDED:
        is_last = seen < MAX_DUE_READ
        search.due_from = now - OVERLAP if is_last else last_due_at + timedelta(microseconds=1)
        search.is_complete = is_last
    else:
        search.is_complete = False
    return int(superseded)


class Superseded(NamedTuple):
    """The deliveries that one delivery supersedes, and those that these did.

    ``total``: how many. ``events``: their events, the newest first, at most MAX_NAMED.
    """

    total: int
    events: tuple[UUID, ...]


# Reader: the drain, for claimed deliveries that supersede others; what shows their requests. Index:
# delivery_by_superseding.
FIND_SUPERSEDED = f"""
SELECT sent.id, sent.supersedes, ARRAY(
       WITH RECURSIVE chain AS (
           (SELECT id, event_id FROM delivery_delivery WHERE superseded_by_id = sent.id
             ORDER BY event_id DESC LIMIT {MAX_NAMED})
           UNION ALL
           SELECT older.id, older.event_id FROM chain CROSS JOIN LATERAL (
                  SELECT id, event_id FROM delivery_delivery WHERE superseded_by_id = chain.id
                   ORDER BY event_id DESC LIMIT {MAX_NAMED}) older
       )
       SELECT event_id FROM (SELECT event_id FROM chain LIMIT {MAX_NAMED * MAX_NAMED}) first
        ORDER BY event_id DESC LIMIT {MAX_NAMED})
  FROM delivery_delivery sent WHERE sent.id = ANY(%(ids)s::uuid[]) AND sent.supersedes IS NOT NULL
"""


def find_superseded(delivery_ids: Sequence[UUID]) -> dict[UUID, Superseded]:
    """Return what these deliveries supersede; those that supersede nothing are left out."""
    if not delivery_ids:
        return {}
    rows = run(FIND_SUPERSEDED, {"ids": list(delivery_ids)})
    return {key: Superseded(total, tuple(events)) for key, total, events in rows}
