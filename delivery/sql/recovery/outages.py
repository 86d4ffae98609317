"""Make due what waits because of an outage: the probes of a half-open breaker, and all retries once it is over.

A retry that is made ahead of its plan does not advance the plan if it fails.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.models import Delivery
from webhooks.kit.sql import run

MAX_BROUGHT_FORWARD = 1_000  # deliveries made due in one statement
MAX_NEWEST = 100  # newest due deliveries of an endpoint, searched for one that has not failed before
MAX_UNCOUNTED = 1_000  # attempts of a delivery; up to there a retry ahead of its plan does not advance the plan
STEP_BEFORE = f"CASE WHEN d.attempts < {MAX_UNCOUNTED} THEN greatest(d.step - 1, 0) ELSE d.step END"
TOO_MANY_REQUESTS = 429  # no outage: the endpoint asked for a pause
# Whether the latest attempt may have failed because of an outage: no response, 408 or 5xx.
IS_OF_OUTAGE = "(last_status IS NULL OR last_status NOT BETWEEN 300 AND 499 OR last_status = 408)"
PENDING = Delivery.State.PENDING

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

    ``include_others``: also retries after a response that shows no outage, 3xx or 4xx but 408, because the owner says
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
    """Return by endpoint since when its newest due delivery is due. Endpoints without one are left out."""
    if not endpoint_ids:
        return {}
    return {row[0]: row[1] for row in run(FIND_NEWEST_DUE, {"endpoints": list(endpoint_ids)})}
