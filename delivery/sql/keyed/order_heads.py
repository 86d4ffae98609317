"""Find the deliveries that an ordered lane can send next: the oldest unfinished one of each order key, if it is due.

A lane may have any number of keys whose oldest delivery waits for a retry. So one call walks a bounded number of keys
and the next one continues behind them; when the last key was reached, the search is complete. A key whose delivery has
just ended is looked up directly, without a search.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from delivery.models import Delivery
from webhooks.kit.sql import named_columns, run

PENDING, SENDING = Delivery.State.PENDING, Delivery.State.SENDING
MAX_KEYS = 256  # order keys that one call walks in one lane
MAX_DUE_READ = 256  # due deliveries that one call reads in one lane to find those without an order key
OVERLAP = timedelta(seconds=5)  # a search reads again what came due so long before the last one: commits may be late


@dataclass(slots=True)
class HeadSearch:
    """Hold where the search of one ordered lane continues, and the keys whose delivery in flight has ended.

    ``after_key``: the last key that was walked; None at the beginning. ``due_from``: where the deliveries without an
    order key are read from; None: from the low-water mark. ``max_keys``: order keys to walk in the next call.
    """

    max_keys: int = MAX_KEYS
    freed_keys: dict[str, None] = field(default_factory=dict)
    after_key: str | None = None
    due_from: datetime | None = None
    has_walked_keys: bool = False
    has_read_due: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether every key was walked and every due delivery read since the search began."""
        return self.has_walked_keys and self.has_read_due

    def restart(self) -> None:
        """Search from the beginning again, if the last search is complete."""
        if self.is_complete:
            self.has_walked_keys = self.has_read_due = False

    def record_keys(self, walked: int, last_key: str | None, *, limit_reached: bool) -> None:
        """Continue behind the last key that was walked, or at the first one if there are no more."""
        if last_key is None or (walked < self.max_keys and not limit_reached):
            self.after_key, self.has_walked_keys = None, True
        else:
            self.after_key = last_key

    def record_due(self, seen: int, last_due_at: datetime | None, now: datetime) -> None:
        """Continue behind the last due delivery that was read; all that were due at the same time are read at once."""
        if seen < MAX_DUE_READ or last_due_at is None:
            self.due_from, self.has_read_due = now - OVERLAP, True
        else:
            self.due_from = last_due_at + timedelta(microseconds=1)


class SearchRequest(NamedTuple):
    """A search for up to ``limit`` deliveries, with the lane's low-water mark for those without an order key."""

    endpoint_id: UUID
    limit: int
    low_water_mark: datetime
    heads: HeadSearch


# Reader: find_heads. Index: delivery_by_order_key.
FREED_HEADS = f"""
SELECT request.place, head.id
  FROM unnest(%(places)s::int[], %(endpoints)s::uuid[], %(keys)s::text[]) AS request(place, endpoint_id, order_key)
 CROSS JOIN LATERAL (
       SELECT id, state, next_attempt_at FROM delivery_delivery
        WHERE endpoint_id = request.endpoint_id AND order_key = request.order_key
          AND state IN ('{PENDING}', '{SENDING}')
        ORDER BY created_at, id LIMIT 1) head
 WHERE head.state = '{PENDING}' AND head.next_attempt_at <= now()
"""
# Reader: find_heads. Indexes: delivery_by_order_key, walked from one order key to the next, so that the cost does not
# depend on the backlog behind the heads; delivery_due for the deliveries without a key.
SEARCH_HEADS = f"""
SELECT request.place, keyed.ids, keyed.walked, keyed.last_key, unkeyed.ids, unkeyed.seen, unkeyed.last_due_at, now()
  FROM unnest(%(places)s::int[], %(endpoints)s::uuid[], %(limits)s::int[], %(max_keys)s::int[], %(after_keys)s::text[],
              %(first)s::bool[], %(due_from)s::timestamptz[])
           AS request(place, endpoint_id, max_rows, max_keys, after_key, is_first, due_from)
 CROSS JOIN LATERAL (
       WITH RECURSIVE heads AS (
           (SELECT id, order_key, state = '{PENDING}' AND next_attempt_at <= now() AS is_due, 1 AS walked,
                   (state = '{PENDING}' AND next_attempt_at <= now())::int AS found
              FROM delivery_delivery
             WHERE endpoint_id = request.endpoint_id AND state IN ('{PENDING}', '{SENDING}')
               AND order_key IS NOT NULL
               AND (order_key, created_at)
                   > (request.after_key,
                      CASE WHEN request.is_first THEN '-infinity' ELSE 'infinity' END::timestamptz)
             ORDER BY order_key, created_at, id LIMIT 1)
           UNION ALL
           SELECT next.id, next.order_key, next.is_due, heads.walked + 1, heads.found + next.is_due::int
             FROM heads CROSS JOIN LATERAL (
                  SELECT id, order_key, state = '{PENDING}' AND next_attempt_at <= now() AS is_due
                    FROM delivery_delivery
                   WHERE endpoint_id = request.endpoint_id AND order_key > heads.order_key
                     AND state IN ('{PENDING}', '{SENDING}')
                   ORDER BY order_key, created_at, id LIMIT 1) next
            WHERE heads.walked < request.max_keys AND heads.found < request.max_rows
       )
       SELECT array_agg(id ORDER BY walked) FILTER (WHERE is_due) AS ids, count(*)::int AS walked,
              (array_agg(order_key ORDER BY walked DESC))[1] AS last_key
         FROM heads) keyed
 CROSS JOIN LATERAL (
       SELECT array_agg(id ORDER BY next_attempt_at) FILTER (WHERE order_key IS NULL) AS ids, count(*)::int AS seen,
              max(next_attempt_at) AS last_due_at
         FROM (SELECT id, order_key, next_attempt_at FROM delivery_delivery
                WHERE endpoint_id = request.endpoint_id AND state = '{PENDING}'
                  AND next_attempt_at BETWEEN request.due_from AND now()
                ORDER BY next_attempt_at FETCH FIRST (%(max_due)s::int) ROWS WITH TIES) due) unkeyed
"""


def find_heads(requests: Sequence[SearchRequest]) -> list[list[UUID]]:
    """Return, for each request, the deliveries that can be claimed, at most its limit, and advance its search.

    The next of a freed key come first, then deliveries without an order key, then the heads of the keys that were
    walked. Nothing is locked: a claim has to check that they are still due.
    """
    found: list[list[UUID]] = [[] for _ in requests]
    _look_up_freed(requests, found)
    _search(requests, found)
    return found


def _look_up_freed(requests: Sequence[SearchRequest], found: list[list[UUID]]) -> None:
    freed: list[tuple[int, UUID, str]] = []
    for place, request in enumerate(requests):
        keys = request.heads.freed_keys
        chosen = list(keys)[: request.limit]
        freed += [(place, request.endpoint_id, key) for key in chosen]
        for key in chosen:
            del keys[key]
    if freed:
        for place, key in run(FREED_HEADS, named_columns("places endpoints keys", freed)):
            found[place].append(key)


def _search(requests: Sequence[SearchRequest], found: list[list[UUID]]) -> None:
    searching = [
        (place, it) for place, it in enumerate(requests) if not it.heads.is_complete and len(found[place]) < it.limit
    ]
    if not searching:
        return
    parameters = {
        "places": [place for place, _ in searching],
        "endpoints": [it.endpoint_id for _, it in searching],
        "limits": [it.limit for _, it in searching],
        "max_keys": [it.heads.max_keys for _, it in searching],
        "after_keys": [it.heads.after_key or "" for _, it in searching],
        "first": [it.heads.after_key is None for _, it in searching],
        "max_due": MAX_DUE_READ,
        "due_from": [it.heads.due_from or it.low_water_mark for _, it in searching],
    }
    for place, keyed, walked, last_key, unkeyed, seen, last_due_at, now in run(SEARCH_HEADS, parameters):
        limit, heads = requests[place].limit, requests[place].heads
        free = limit - len(found[place])
        without_key = [key for key in unkeyed or () if key not in found[place]][:free]
        if len(without_key) == len(unkeyed or ()):
            heads.record_due(seen, last_due_at, now)
        with_key = [key for key in keyed or () if key not in found[place]]
        free -= len(without_key)
        if len(with_key) <= free:
            heads.record_keys(walked, last_key, limit_reached=len(keyed or ()) >= limit)
        found[place] += without_key + with_key[:free]
