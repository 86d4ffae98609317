"""Repair what a crash, a late commit or a step of the database's clock left behind. Locked rows are skipped.

When the clock goes back, instants that were written before lie in the future. What was due by the clock before the step
is due now. Retries that were planned for later are left alone: they come as much later as the clock went back.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.models import DeadLetter, Delivery
from delivery.sql.attempts import AttemptRow, record_attempts
from delivery.sql.claim import CLAIM_GRACE, MAX_ATTEMPTS_COUNTED
from delivery.sql.dead_letters import INSERT_DEAD_LETTERS
from delivery.sql.lanes import LEASE_SECONDS
from delivery.transports.outcome import Failure
from webhooks.kit.sql import run
from webhooks.wire.ids import new_id

MAX_RAISED = 10_000  # deliveries below their lane's low-water mark that one sweep makes due
MAX_BROUGHT_FORWARD = 1_000  # deliveries made due in one statement after the clock went back, or an outage
MAX_NEWEST = 100  # newest due deliveries that are searched for one that has not failed before
MAX_UNCOUNTED = 1_000  # attempts of a delivery; those before may be ahead of its retry plan without counting for it
# An attempt that is made ahead of the retry plan does not advance the plan if it fails.
STEP_BEFORE = f"CASE WHEN d.attempts < {MAX_UNCOUNTED} THEN greatest(d.step - 1, 0) ELSE d.step END"
TOO_MANY_REQUESTS = 429  # no outage: the endpoint asked for a pause
# Whether the latest attempt may have failed because of an outage: no response, 408 or 5xx.
IS_OF_OUTAGE = "(last_status IS NULL OR last_status NOT BETWEEN 300 AND 499 OR last_status = 408)"
LONGEST_CLAIM = 60.0  # seconds: no claim lasts longer, so that one with a later end was made before the clock went back
MAX_UNSETTLED_CLAIMS = 5  # in a row; then the delivery is taken to crash its worker, and is dead-lettered
MAX_VOIDED = 1_000  # claims that one statement voids
EVER = 10 * 366 * 86_400.0  # seconds: longer ago than any claim
PENDING, SENDING, DEAD = Delivery.State.PENDING, Delivery.State.SENDING, Delivery.State.DEAD
UNKNOWN, CRASHED_WORKER = Failure.UNKNOWN, DeadLetter.Cause.CRASHED_WORKER

# Reader: the schedule, for the recovery task. Indexes: delivery_claimed, lane_endpoint_inactive, lane_failing.
# Settled claims leave entries in it, which an old snapshot keeps: each look reads only those of the last seconds.
HAS_RECOVERIES = f"""(EXISTS (SELECT FROM delivery_delivery WHERE state = '{SENDING}' AND claimed_until < now()
                                                              AND claimed_until > now() - interval '10 seconds')
                     OR EXISTS (SELECT FROM delivery_lane WHERE endpoint_inactive)
                     OR EXISTS (SELECT FROM delivery_lane
                                WHERE failing_since IS NOT NULL OR wait_since IS NOT NULL))"""

# Reader: the schedule, once a minute and after a stop: for what the recovery task was late for. The same index.
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

    ``within``: only those of so many seconds until now. ``delivery.pulling.lapsed`` voids those of consumers. Call in a
    transaction.
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
    """Make pending deliveries due now whose commit was later than their lane's low-water mark; return the endpoints.

    At most MAX_RAISED at a time.
    """
    return {row[0] for row in run(RAISE_TO_LOW_WATER_MARK, {})}


# Reader: the drain. Index: lane_due.
BRING_LANES_FORWARD = """
UPDATE delivery_lane
   SET due_at = CASE WHEN owner IS NULL THEN now() ELSE now() + make_interval(secs => %(lease)s) END
 WHERE CASE WHEN owner IS NULL THEN due_at > now() AND due_at <= now() + make_interval(secs => %(back)s)
            ELSE due_at > now() + make_interval(secs => %(lease)s) END
RETURNING endpoint_id
"""


def bring_lanes_forward(back: float) -> int:
    """Make lanes due that were due before the clock went ``back`` seconds, and end leases on time; return how many."""
    return len(run(BRING_LANES_FORWARD, {"back": back, "lease": LEASE_SECONDS}))


# Reader: the recovery task. Index: lane_failing. The drain that leases such a lane shortens its pause.
BRING_PAUSES_FORWARD = """
WITH late AS (
    SELECT endpoint_id FROM delivery_lane
     WHERE (failing_since IS NOT NULL OR wait_since IS NOT NULL) AND due_at > now() AND owner IS NULL
       AND (wait_since > now() + interval '1 second'
            OR circuit_open_until > now() + make_interval(secs => %(longest_break)s + 1))
       FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE delivery_lane l SET due_at = now() FROM late WHERE l.endpoint_id = ANY(ARRAY[late.endpoint_id])
RETURNING l.endpoint_id
"""


def bring_pauses_forward(longest_break: float) -> int:
    """Make lanes due that pause by instants which only a later clock can have set; return how many.

    Their pause began in the future, or their breaker is open for longer than ``longest_break`` seconds.
    """
    return len(run(BRING_PAUSES_FORWARD, {"longest_break": longest_break}))


# Reader: the drain. Index: delivery_claimed.
BRING_CLAIMS_FORWARD = f"""
WITH late AS (
    SELECT id FROM delivery_delivery
     WHERE state = '{SENDING}' AND claimed_until > now() + make_interval(secs => {LONGEST_CLAIM}) AND consumer IS NULL
     ORDER BY id FOR UPDATE SKIP LOCKED
)
UPDATE delivery_delivery d SET claimed_until = claimed_until - make_interval(secs => %(back)s)
  FROM late WHERE d.id = ANY(ARRAY[late.id])
RETURNING d.id
"""


def bring_claims_forward(back: float) -> int:
    """Let claims that were made before the clock went ``back`` seconds expire on time; return how many."""
    return len(run(BRING_CLAIMS_FORWARD, {"back": back}))


# Reader: the drain, batch by batch. Index: delivery_due.
BRING_DELIVERIES_FORWARD = f"""
WITH late AS (
    SELECT id FROM delivery_delivery
     WHERE endpoint_id = %(endpoint)s AND state = '{PENDING}'
       AND next_attempt_at > now() AND next_attempt_at <= now() + make_interval(secs => %(back)s)
     ORDER BY next_attempt_at LIMIT {MAX_BROUGHT_FORWARD} FOR UPDATE SKIP LOCKED
)
UPDATE delivery_delivery d SET next_attempt_at = now() FROM late WHERE d.id = ANY(ARRAY[late.id])
RETURNING d.id
"""


def bring_deliveries_forward(endpoint_id: UUID, back: float) -> int:
    """Make deliveries of an endpoint due that were due before the clock went ``back`` seconds; return how many.

    At most MAX_BROUGHT_FORWARD; call again until there are none.
    """
    return len(run(BRING_DELIVERIES_FORWARD, {"endpoint": endpoint_id, "back": back}))


# Reader: the drain, batch by batch. Indexes: delivery_due; attempt_by_delivery.
RETRY_AFTER_OUTAGE = f"""
WITH looked_at AS (
    SELECT id, next_attempt_at, attempts, last_status FROM delivery_delivery
     WHERE endpoint_id = %(endpoint)s AND state = '{PENDING}' AND next_attempt_at > greatest(now(), %(after)s)
     ORDER BY next_attempt_at FETCH FIRST {MAX_BROUGHT_FORWARD} ROWS WITH TIES
), failed AS (
    SELECT l.id FROM looked_at l
     CROSS JOIN LATERAL (
           SELECT started_at FROM delivery_attempt WHERE delivery_id = l.id ORDER BY id DESC LIMIT 1) latest
     CROSS JOIN LATERAL (
           SELECT id FROM delivery_delivery WHERE id = l.id AND state = '{PENDING}' FOR UPDATE SKIP LOCKED) d
     WHERE l.attempts > 0 AND (%(everything)s OR {IS_OF_OUTAGE.replace("last_status", "l.last_status")})
       AND latest.started_at BETWEEN %(since)s AND %(until)s
     ORDER BY l.id
), brought AS (
    UPDATE delivery_delivery d SET next_attempt_at = now(), step = {STEP_BEFORE}
      FROM failed WHERE d.id = ANY(ARRAY[failed.id])
    RETURNING d.id
)
SELECT max(next_attempt_at), (SELECT count(*) FROM brought) FROM looked_at HAVING count(*) > 0
"""


class Outage(NamedTuple):
    """A time in which attempts failed, and which is over. ``after``: retries up to then were looked at.

    ``include_others``: also retries after a response that shows no outage, a rejection or 429, because the owner says
    that the endpoint works again.
    """

    since: datetime
    until: datetime
    after: datetime
    include_others: bool = False


def retry_after_outage(endpoint_id: UUID, outage: Outage) -> tuple[datetime, int] | None:
    """Make retries due that wait because of an outage: their latest attempt was made in it.

    If they fail again, they wait as long as before: their retry plans do not advance. Looks at about
    MAX_BROUGHT_FORWARD. Returns up to when retries were looked at, and how many of them are due now; None if there are
    no more.
    """
    parameters = {
        "endpoint": endpoint_id,
        "since": outage.since,
        "until": outage.until,
        "after": outage.after,
        "everything": outage.include_others,
    }
    rows = run(RETRY_AFTER_OUTAGE, parameters)
    return (rows[0][0], rows[0][1]) if rows else None


# Reader: the drain, for lanes whose breaker is half-open. Index: delivery_due. In an ordered lane, what is due may wait
# for a retry before it.
MAKE_PROBES_DUE = f"""
WITH next AS (
    SELECT retry.* FROM unnest(%(endpoints)s::uuid[], %(ordered)s::bool[]) AS probed(endpoint_id, is_ordered)
     CROSS JOIN LATERAL (
           SELECT id, attempts, last_status FROM delivery_delivery
            WHERE endpoint_id = probed.endpoint_id AND state = '{PENDING}' AND next_attempt_at > now()
            ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED) retry
     WHERE probed.is_ordered
        OR NOT EXISTS (SELECT FROM delivery_delivery
                        WHERE endpoint_id = probed.endpoint_id AND state = '{PENDING}' AND next_attempt_at <= now())
)
UPDATE delivery_delivery d SET next_attempt_at = now(), step = {STEP_BEFORE} FROM next
 WHERE d.id = ANY(ARRAY[next.id])
   AND next.attempts > 0 AND next.last_status IS DISTINCT FROM {TOO_MANY_REQUESTS}
RETURNING d.endpoint_id
"""


def make_probes_due(endpoints: Mapping[UUID, bool]) -> int:
    """Make the next retry of these endpoints due, as the probe of the breaker; return how many.

    If it fails, the retry plan of its delivery does not advance.

    ``endpoints``: whether each is ordered; where it is not, only if no other delivery is due.
    """
    if not endpoints:
        return 0
    return len(run(MAKE_PROBES_DUE, {"endpoints": list(endpoints), "ordered": list(endpoints.values())}))


# Reader: the drain, for lanes whose breaker is half-open and that are not ordered. Index: delivery_due, backwards. One
# that has not failed before is preferred.
FIND_NEWEST_DUE = f"""
SELECT probed.endpoint_id, newest.next_attempt_at FROM unnest(%(endpoints)s::uuid[]) AS probed(endpoint_id)
 CROSS JOIN LATERAL (
       SELECT next_attempt_at FROM (
              SELECT next_attempt_at, attempts FROM delivery_delivery
               WHERE endpoint_id = probed.endpoint_id AND state = '{PENDING}' AND next_attempt_at <= now()
               ORDER BY next_attempt_at DESC LIMIT {MAX_NEWEST}) latest
        ORDER BY attempts > 0, next_attempt_at DESC LIMIT 1) newest
"""


def find_newest_due(endpoint_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """Return, by endpoint, since when its newest due delivery is due; without endpoints that have none."""
    if not endpoint_ids:
        return {}
    return {row[0]: row[1] for row in run(FIND_NEWEST_DUE, {"endpoints": list(endpoint_ids)})}
