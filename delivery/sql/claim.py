"""Claim due deliveries of leased lanes: each becomes ``sending`` under a token, until a deadline."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.models import Delivery
from webhooks.kit.sql import columns, run

PENDING, SENDING = Delivery.State.PENDING, Delivery.State.SENDING
LOW_WATER_MARGIN = 5.0  # seconds the low-water mark stays behind the newest claim: a publisher may commit that late
CLAIM_GRACE = 10.0  # seconds between the deadline of an attempt and the end of its claim
MAX_ATTEMPTS_COUNTED = 32_767  # a delivery that is replayed without end may have more (smallint)


class ClaimRequest(NamedTuple):
    """How much to claim in one lane: up to ``limit`` deliveries, due at or after the low-water mark.

    Each claim lasts ``seconds``. In an ``ordered`` lane only the oldest unfinished delivery of each order key counts.
    """

    endpoint_id: UUID
    limit: int
    low_water_mark: datetime
    seconds: float
    ordered: bool = False


class Claimed(NamedTuple):
    """A claimed delivery. ``rendered``: its body is not the event's own (a transformer's, or a reference)."""

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    attempts: int
    step: int
    due_at: datetime
    body: bytes
    rendered: bool
    is_reference: bool = False


# Reader: the drain. Index: delivery_due, from the lane's low-water mark on.
SELECT_DUE = f"""
WITH due AS (
    SELECT d.id, request.seconds
      FROM unnest(%(endpoints)s::uuid[], %(limits)s::int[], %(low_water_marks)s::timestamptz[], %(seconds)s::float8[],
                  %(ordered)s::bool[]) AS request(endpoint_id, max_rows, low_water_mark, seconds, ordered)
     CROSS JOIN LATERAL (
           SELECT id FROM delivery_delivery
            WHERE endpoint_id = request.endpoint_id AND state = '{PENDING}'
              AND next_attempt_at BETWEEN request.low_water_mark AND now()
              AND (order_key IS NULL OR NOT request.ordered)
            ORDER BY next_attempt_at LIMIT request.max_rows
              FOR UPDATE SKIP LOCKED) d
)
"""
# Reader: the drain, in ordered lanes. Index: delivery_by_order_key, walked from one order key to the next: the cost
# grows with the number of keys, not with the backlog.
SELECT_DUE_HEADS = f"""
WITH due AS (
    SELECT head.id, request.seconds
      FROM unnest(%(endpoints)s::uuid[], %(limits)s::int[], %(seconds)s::float8[])
               AS request(endpoint_id, max_rows, seconds)
     CROSS JOIN LATERAL (
           WITH RECURSIVE heads AS (
               (SELECT id, order_key, state, next_attempt_at FROM delivery_delivery
                 WHERE endpoint_id = request.endpoint_id AND order_key IS NOT NULL
                   AND state IN ('{PENDING}', '{SENDING}')
                 ORDER BY order_key, created_at, id LIMIT 1)
               UNION ALL
               SELECT next.* FROM heads CROSS JOIN LATERAL (
                      SELECT id, order_key, state, next_attempt_at FROM delivery_delivery
                       WHERE endpoint_id = request.endpoint_id AND order_key > heads.order_key
                         AND state IN ('{PENDING}', '{SENDING}')
                       ORDER BY order_key, created_at, id LIMIT 1) next
           )
           SELECT d.id FROM heads JOIN delivery_delivery d ON d.id = heads.id
            WHERE heads.state = '{PENDING}' AND d.state = '{PENDING}' AND d.next_attempt_at <= now()
            LIMIT request.max_rows FOR UPDATE OF d SKIP LOCKED) head
)
"""
# Follows either of the two. Index: the primary keys.
CLAIM_DUE = f"""
UPDATE delivery_delivery d
   SET state = '{SENDING}', token = %(token)s, claims = claims + 1,
       claimed_until = now() + make_interval(secs => due.seconds)
  FROM due, delivery_event e
 WHERE d.id = due.id AND e.id = d.event_id AND d.token IS NULL
RETURNING d.id, d.endpoint_id, d.event_id, d.attempts, d.step, d.next_attempt_at, coalesce(d.body, e.body),
          d.body IS NOT NULL, d.is_reference
"""


def claim_deliveries(token: UUID, requests: Sequence[ClaimRequest]) -> list[Claimed]:
    """Claim due deliveries under ``token``, the oldest first in each lane."""
    endpoints, limits, low_water_marks, seconds, ordered = columns(requests, 5)
    parameters = {
        "token": token,
        "endpoints": endpoints,
        "limits": limits,
        "low_water_marks": low_water_marks,
        "seconds": seconds,
        "ordered": ordered,
    }
    claimed = [Claimed(*row) for row in run(SELECT_DUE + CLAIM_DUE, parameters)]
    return claimed + _claim_heads(token, requests, claimed) if any(ordered) else claimed


def _claim_heads(token: UUID, requests: Sequence[ClaimRequest], claimed: list[Claimed]) -> list[Claimed]:
    """Claim in ordered lanes, up to what the deliveries without an order key left of the limit."""
    used = Counter(row.endpoint_id for row in claimed)
    remaining = [it._replace(limit=it.limit - used[it.endpoint_id]) for it in requests if it.ordered]
    endpoints, limits, _, seconds, _ = columns([it for it in remaining if it.limit > 0], 5)
    parameters = {"token": token, "endpoints": endpoints, "limits": limits, "seconds": seconds}
    return [Claimed(*row) for row in run(SELECT_DUE_HEADS + CLAIM_DUE, parameters)]


def attempt_number(claimed: Claimed) -> int:
    """Return the number of the attempt that this claim makes, from 1."""
    return min(claimed.attempts + 1, MAX_ATTEMPTS_COUNTED)
