"""Make due what was due before the database's clock went back, because instants written before now lie in the future.

Retries that were planned for later are not changed: they come as much later as the clock went back.
"""

from uuid import UUID

from delivery.models import Delivery
from delivery.sql.lanes import LEASE_SECONDS
from delivery.sql.recovery.outages import MAX_BROUGHT_FORWARD
from webhooks.kit.sql import run

LONGEST_CLAIM = 60.0  # seconds: a claim that ends later was made before the clock went back
LONGEST_RULE_PERIOD = 300.0  # seconds: an alert rule that is due later was evaluated before the clock went back
PENDING, SENDING = Delivery.State.PENDING, Delivery.State.SENDING

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
    """Make paused lanes due whose instants were written before the clock went back; return how many.

    Their pause begins in the future, or their breaker is open for longer than ``longest_break`` seconds.
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


# Reader: the sweep. Index: alert_rule_due.
BRING_RULES_FORWARD = """
UPDATE delivery_alertrule SET due_at = now() WHERE due_at > now() + make_interval(secs => %(longest)s) RETURNING id
"""


def bring_rules_forward() -> int:
    """Make alert rules due that were evaluated before the clock went back; return how many."""
    return len(run(BRING_RULES_FORWARD, {"longest": LONGEST_RULE_PERIOD}))
