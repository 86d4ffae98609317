"""Open dead letters: for given deliveries, for an endpoint that gets nothing more, for deliveries that expired."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from delivery.models import DeadLetter, Delivery
from webhooks.kit.sql import columns, run

PENDING, DEAD = Delivery.State.PENDING, Delivery.State.DEAD
EXPIRED = DeadLetter.Cause.EXPIRED

# The one INSERT of dead letters. It follows a relation "dead" (id, tenant_id, endpoint_id, last_status, last_error,
# attempts, cause, reason). Index: the partial unique (delivery) of open ones.
INSERT_DEAD_LETTERS = """
    INSERT INTO delivery_deadletter (id, created_at, tenant_id, endpoint_id, delivery_id, cause, reason, last_status,
                                     last_error, attempts, failed_at, replayed_by)
    SELECT delivery_uuid7(), now(), tenant_id, endpoint_id, id, cause, reason, last_status, last_error, attempts,
           now(), ''
      FROM dead
        ON CONFLICT (delivery_id) WHERE replayed_at IS NULL DO NOTHING
"""


class DeadLetterRow(NamedTuple):
    """A delivery that failed permanently; ``reason`` says more than the cause does, or None."""

    delivery_id: UUID
    cause: str
    reason: str | None


# Readers: settling, publishing and backfilling what cannot be transformed, setting aside. Index: the primary key.
DEAD_LETTER = f"""
WITH dead AS (
    SELECT d.id, d.tenant_id, d.endpoint_id, d.last_status, d.last_error, d.attempts, r.cause,
           coalesce(r.reason, '') AS reason
      FROM unnest(%(deliveries)s::uuid[], %(causes)s::text[], %(reasons)s::text[]) AS r(delivery_id, cause, reason)
      JOIN delivery_delivery d ON d.id = r.delivery_id
)
{INSERT_DEAD_LETTERS}
"""


def dead_letter(rows: Sequence[DeadLetterRow]) -> None:
    """Open a dead letter for each of these deliveries, which are dead already."""
    if rows:
        deliveries, causes, reasons = columns(rows, 3)
        run(DEAD_LETTER, {"deliveries": deliveries, "causes": causes, "reasons": reasons})


# Reader: the drain, for endpoints that are deleted or gone. Index: delivery_due.
DEAD_LETTER_PENDING = f"""
WITH undeliverable AS (
    SELECT id FROM delivery_delivery WHERE endpoint_id = %(endpoint)s AND state = '{PENDING}'
     LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), dead AS (
    UPDATE delivery_delivery d SET state = '{DEAD}', next_attempt_at = NULL
      FROM undeliverable WHERE d.id = undeliverable.id
    RETURNING d.id, d.tenant_id, d.endpoint_id, d.last_status, d.last_error, d.attempts,
              %(cause)s AS cause, '' AS reason
)
{INSERT_DEAD_LETTERS}
RETURNING id
"""


def dead_letter_pending(endpoint_id: UUID, cause: str, limit: int = 1_000) -> int:
    """Dead-letter up to ``limit`` pending deliveries of an endpoint; return how many."""
    return len(run(DEAD_LETTER_PENDING, {"endpoint": endpoint_id, "cause": cause, "limit": limit}))


# Reader: the sweep. Indexes: lane_endpoint_inactive, delivery_due.
DEAD_LETTER_EXPIRED = f"""
WITH expired AS (
    SELECT d.id FROM delivery_lane l
     CROSS JOIN LATERAL (
           SELECT id FROM delivery_delivery
            WHERE endpoint_id = l.endpoint_id AND state = '{PENDING}'
              AND next_attempt_at < now() - make_interval(secs => %(seconds)s)
            LIMIT 1000 FOR UPDATE SKIP LOCKED) d
     WHERE l.endpoint_inactive LIMIT 5000
), dead AS (
    UPDATE delivery_delivery d SET state = '{DEAD}', next_attempt_at = NULL FROM expired WHERE d.id = expired.id
    RETURNING d.id, d.tenant_id, d.endpoint_id, d.last_status, d.last_error, d.attempts,
              '{EXPIRED}' AS cause, '' AS reason
)
{INSERT_DEAD_LETTERS}
RETURNING delivery_id
"""


def dead_letter_expired(seconds: float) -> list[UUID]:
    """Dead-letter deliveries due for ``seconds`` while their endpoint was inactive; return up to 5,000 of them."""
    return [row[0] for row in run(DEAD_LETTER_EXPIRED, {"seconds": seconds})]
