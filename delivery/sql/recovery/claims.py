"""Void claims that ran out, and make deliveries due that were committed behind their lane's low-water mark."""

from typing import NamedTuple
from uuid import UUID

from delivery.models import DeadLetter, Delivery
from delivery.sql.attempts import AttemptRow, record_attempts
from delivery.sql.claim import CLAIM_GRACE, MAX_ATTEMPTS_COUNTED
from delivery.sql.dead_letters import INSERT_DEAD_LETTERS
from delivery.transports.outcome import Failure
from webhooks.kit.sql import run
from webhooks.wire.ids import new_id

MAX_RAISED = 10_000  # deliveries below their lane's low-water mark that one sweep makes due
MAX_UNSETTLED_CLAIMS = (
    5  # claims in a row that were not settled; then the delivery is dead-lettered: it crashes workers
)
MAX_VOIDED = 1_000  # claims that one statement voids
EVER = 10 * 366 * 86_400.0  # seconds: longer ago than any claim
PENDING, SENDING, DEAD = Delivery.State.PENDING, Delivery.State.SENDING, Delivery.State.DEAD
UNKNOWN, CRASHED_WORKER = Failure.UNKNOWN, DeadLetter.Cause.CRASHED_WORKER

# Reader: the schedule, for the recovery task. Indexes: delivery_claimed, lane_endpoint_inactive, lane_failing. Settled
# claims leave entries in delivery_claimed, which an old snapshot keeps: so only those of the last seconds are read.
HAS_RECOVERIES = f"""(EXISTS (SELECT FROM delivery_delivery WHERE state = '{SENDING}' AND claimed_until < now()
                                                              AND claimed_until > now() - interval '10 seconds')
                     OR EXISTS (SELECT FROM delivery_lane WHERE endpoint_inactive)
                     OR EXISTS (SELECT FROM delivery_lane
                                WHERE failing_since IS NOT NULL OR wait_since IS NOT NULL))"""

# Reader: the schedule, once a minute and after a stop, for claims that ran out earlier. Index: delivery_claimed.
HAS_OLD_CLAIMS = f"EXISTS (SELECT FROM delivery_delivery WHERE state = '{SENDING}' AND claimed_until < now())"

# Reader: the recovery task. Index: delivery_claimed.
VOID_CLAIMS = f"""
WITH void AS (
    SELECT d.id, d.claimed_until, e.timeout_ms FROM delivery_delivery d
      JOIN subscriptions_endpoint e ON e.id = ANY(ARRAY[d.endpoint_id])
     WHERE d.state = '{SENDING}' AND d.claimed_until < now() AND d.consumer IS NULL
       AND d.claimed_until > now() - make_interval(secs => %(within)s)
     LIMIT {MAX_VOIDED} FOR UPDATE OF d SKIP LOCKED
), freed AS (
    UPDATE delivery_delivery d
       SET state = CASE WHEN claims >= {MAX_UNSETTLED_CLAIMS} THEN '{DEAD}' ELSE '{PENDING}' END,
           next_attempt_at = CASE WHEN claims < {MAX_UNSETTLED_CLAIMS} THEN now() END,
           attempts = least(attempts + 1, {MAX_ATTEMPTS_COUNTED}), token = NULL, claimed_until = NULL,
           last_status = NULL, last_error = '{UNKNOWN}'
      FROM void WHERE d.id = ANY(ARRAY[void.id])
    RETURNING d.id, d.tenant_id, d.endpoint_id, d.state, d.attempts, d.last_status, d.last_error,
              void.claimed_until - make_interval(secs => void.timeout_ms / 1000.0 + {CLAIM_GRACE}) AS started_at
), dead AS (
    SELECT *, '{CRASHED_WORKER}' AS cause, '' AS reason FROM freed WHERE state = '{DEAD}'
), opened AS (
    {INSERT_DEAD_LETTERS}
)
SELECT id, endpoint_id, state, attempts, started_at FROM freed
"""


class RecoveredClaim(NamedTuple):
    """A delivery whose claim ran out, and its new state: pending, or dead after MAX_UNSETTLED_CLAIMS."""

    id: UUID
    endpoint_id: UUID
    state: str


def void_claims(within: float = EVER) -> list[RecoveredClaim]:
    """Void up to MAX_VOIDED claims of drains that ran out, and record an attempt with an unknown result for each.

    ``within``: only claims that ran out in the last so many seconds. Call it in a transaction. Claims of consumers are
    voided by ``delivery.pulling.lapsed``.
    """
    rows = run(VOID_CLAIMS, {"within": within})
    if rows:
        record_attempts(
            AttemptRow(new_id(), delivery_id, number, started_at, 0, None, UNKNOWN, None)
            for delivery_id, _, _, number, started_at in rows
        )
    return [RecoveredClaim(*row[:3]) for row in rows]


# Reader: the sweep. Index: delivery_due, below each lane's low-water mark.
RAISE_TO_LOW_WATER_MARK = f"""
WITH below AS (
    SELECT d.id FROM delivery_lane l
     CROSS JOIN LATERAL (
           SELECT id FROM delivery_delivery
            WHERE endpoint_id = l.endpoint_id AND state = '{PENDING}' AND next_attempt_at < l.low_water_mark
            LIMIT {MAX_RAISED} FOR UPDATE SKIP LOCKED) d
     LIMIT {MAX_RAISED}
)
UPDATE delivery_delivery d SET next_attempt_at = now() FROM below WHERE d.id = ANY(ARRAY[below.id])
RETURNING d.endpoint_id
"""


def raise_to_low_water_mark() -> set[UUID]:
    """Make pending deliveries due that were committed behind their lane's low-water mark; return their endpoints.

    At most MAX_RAISED; call again for more.
    """
    return {row[0] for row in run(RAISE_TO_LOW_WATER_MARK, {})}
