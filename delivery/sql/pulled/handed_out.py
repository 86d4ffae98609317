"""Read, release and extend what is handed out to consumers: claims under a token, each of one session.

A session (``consumer``) is what one consumer gets one after the other. Tokens are UUIDv7, so those of a session are in
the order of its responses.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.models import Delivery
from delivery.sql.recovery.claims import EVER, MAX_VOIDED
from webhooks.kit.sql import run

PENDING, SENDING = Delivery.State.PENDING, Delivery.State.SENDING
NOTED_EVERY = 10  # seconds between two notes in the lane of when a consumer asked
IS_HANDED_OUT = f"state = '{SENDING}' AND consumer IS NOT NULL"

# Reader: pulling. Index: delivery_handed_out, whose entries of one endpoint are at most its max_in_flight.
READ_HANDED_OUT = f"""
SELECT count(*) FROM delivery_delivery WHERE endpoint_id = %(endpoint)s AND {IS_HANDED_OUT}
"""


def count_handed_out(endpoint_id: UUID) -> int:
    """Return how many deliveries of an endpoint are handed out and not settled."""
    return int(run(READ_HANDED_OUT, {"endpoint": endpoint_id})[0][0])


# Reader: pulling, when there is nothing to hand out. Indexes: delivery_due, from now on; delivery_handed_out.
NEXT_CHANGE = f"""
SELECT extract(epoch FROM least(
       (SELECT next_attempt_at FROM delivery_delivery
         WHERE endpoint_id = %(endpoint)s AND state = '{PENDING}' AND next_attempt_at > now()
         ORDER BY next_attempt_at LIMIT 1),
       (SELECT min(claimed_until) FROM delivery_delivery WHERE endpoint_id = %(endpoint)s AND {IS_HANDED_OUT})
       ) - clock_timestamp())::float8
"""


def seconds_to_next_change(endpoint_id: UUID) -> float | None:
    """Return in how many seconds the next delivery becomes due, or the next visibility timeout ends; None: none."""
    seconds: float | None = run(NEXT_CHANGE, {"endpoint": endpoint_id})[0][0]
    return seconds


# Reader: pulling, for a session that continues. Index: delivery_handed_out. Locked in the order of settling.
RELEASE_AFTER = f"""
WITH lost AS (
    SELECT id FROM delivery_delivery
     WHERE endpoint_id = %(endpoint)s AND consumer = %(consumer)s AND state = '{SENDING}'
       AND (token, id) > (%(token)s, %(last)s)
     ORDER BY id FOR UPDATE
)
UPDATE delivery_delivery d
   SET state = '{PENDING}', claims = greatest(claims - 1, 0), token = NULL, claimed_until = NULL,
       next_attempt_at = now()
  FROM lost WHERE d.id = ANY(ARRAY[lost.id])
RETURNING d.id
"""


def release_after(endpoint_id: UUID, consumer: UUID, token: UUID, last: UUID) -> int:
    """Release what a session was handed out after this delivery and token, without an attempt; return how many."""
    parameters = {"endpoint": endpoint_id, "consumer": consumer, "token": token, "last": last}
    return len(run(RELEASE_AFTER, parameters))


# Reader: acknowledgements. Index: the primary key.
EXTEND = f"""
WITH held AS (
    SELECT id FROM delivery_delivery
     WHERE id = ANY(%(ids)s::uuid[]) AND endpoint_id = %(endpoint)s AND {IS_HANDED_OUT} ORDER BY id FOR UPDATE
)
UPDATE delivery_delivery d SET claimed_until = now() + make_interval(secs => %(seconds)s)
  FROM held WHERE d.id = ANY(ARRAY[held.id])
RETURNING d.id
"""


def extend_claims(endpoint_id: UUID, delivery_ids: Sequence[UUID], seconds: float) -> set[UUID]:
    """Let the claims of these deliveries last so many seconds from now; return those that are handed out."""
    rows = run(EXTEND, {"endpoint": endpoint_id, "ids": list(delivery_ids), "seconds": seconds})
    return {row[0] for row in rows}


class LapsedClaim(NamedTuple):
    """A claim of a consumer whose visibility timeout is over, with the retry plan of its endpoint (None: default)."""

    id: UUID
    endpoint_id: UUID
    token: UUID
    attempts: int
    step: int
    retry_plan: list[int] | None
    now: datetime


# Reader: the recovery task. Index: delivery_claimed. Rows that are being settled are left to that.
FIND_ALL_LAPSED = f"""
WITH lapsed AS (
    SELECT id, endpoint_id, token, attempts, step FROM delivery_delivery
     WHERE state = '{SENDING}' AND claimed_until < now() AND consumer IS NOT NULL
       AND claimed_until > now() - make_interval(secs => %(within)s)
     ORDER BY claimed_until LIMIT {MAX_VOIDED} FOR UPDATE SKIP LOCKED
)
SELECT lapsed.id, lapsed.endpoint_id, lapsed.token, lapsed.attempts, lapsed.step, e.retry_plan, clock_timestamp()
  FROM lapsed JOIN subscriptions_endpoint e ON e.id = ANY(ARRAY[lapsed.endpoint_id])
"""
# Reader: pulling, before it waits. Index: delivery_handed_out.
FIND_LAPSED_OF_ENDPOINT = FIND_ALL_LAPSED.replace(
    f"state = '{SENDING}' AND claimed_until < now()",
    f"endpoint_id = %(endpoint)s AND state = '{SENDING}' AND claimed_until < now()",
)


def find_lapsed(endpoint_id: UUID | None = None, *, within: float = EVER) -> list[LapsedClaim]:
    """Return up to MAX_VOIDED claims of consumers that have lapsed, locked, of one endpoint or (None) of all.

    ``within``: only those that lapsed in so many seconds until now. Call in a transaction.
    """
    statement = FIND_ALL_LAPSED if endpoint_id is None else FIND_LAPSED_OF_ENDPOINT
    return [LapsedClaim(*row) for row in run(statement, {"endpoint": endpoint_id, "within": within})]


# Reader: pulling. Index: the primary key.
NOTE_PULL = f"""
UPDATE delivery_lane SET pulled_at = now()
 WHERE endpoint_id = %(endpoint)s AND is_pulled
   AND coalesce(pulled_at, 'epoch') < now() - interval '{NOTED_EVERY} seconds'
"""


def note_pull(endpoint_id: UUID) -> None:
    """Note in the lane that a consumer has asked for its deliveries."""
    run(NOTE_PULL, {"endpoint": endpoint_id})


# Reader: pulling, with a rate limit. Index: the primary key.
LOCK_RATE = """
SELECT extract(epoch FROM next_slot_at)::float8, extract(epoch FROM clock_timestamp())::float8
  FROM delivery_lane WHERE endpoint_id = %(endpoint)s FOR NO KEY UPDATE
"""
STORE_RATE = """
UPDATE delivery_lane SET next_slot_at = to_timestamp(%(next_slot)s) WHERE endpoint_id = %(endpoint)s
"""


def lock_rate(endpoint_id: UUID) -> tuple[float, float] | None:
    """Lock the rate limit of a lane; return its clock and the time, in unix seconds. None: there is no lane yet.

    Call in a transaction.
    """
    rows = run(LOCK_RATE, {"endpoint": endpoint_id})
    return (rows[0][0] or 0.0, rows[0][1]) if rows else None


def store_rate(endpoint_id: UUID, next_slot: float) -> None:
    """Store the clock of a lane's rate limit, in unix seconds."""
    run(STORE_RATE, {"endpoint": endpoint_id, "next_slot": next_slot})
