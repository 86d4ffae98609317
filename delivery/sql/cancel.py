"""Change pending deliveries on request: stop them (cancel, set aside), or make them due now."""

from collections.abc import Sequence
from uuid import UUID

from delivery.models import Delivery
from delivery.sql.claim import MAX_ATTEMPTS_COUNTED
from webhooks.kit.sql import run

PENDING, SENDING, CANCELLED = Delivery.State.PENDING, Delivery.State.SENDING, Delivery.State.CANCELLED

# Readers: cancelling, setting aside, erasing. Index: the primary key. Without its token a claim cannot settle the
# delivery; the attempt in flight counts as made.
STOP_DELIVERIES = f"""
WITH unfinished AS (
    SELECT id FROM delivery_delivery
     WHERE id = ANY(%(ids)s::uuid[]) AND state IN ('{PENDING}', '{SENDING}') ORDER BY id FOR UPDATE
)
UPDATE delivery_delivery d
   SET state = %(state)s::text, next_attempt_at = NULL, token = NULL, claimed_until = NULL, claims = 0,
       attempts = least(attempts + CASE state WHEN '{SENDING}' THEN 1 ELSE 0 END, {MAX_ATTEMPTS_COUNTED}),
       cancelled_at = CASE %(state)s::text WHEN '{CANCELLED}' THEN now() END, cancelled_by = %(by)s
  FROM unfinished WHERE d.id = ANY(ARRAY[unfinished.id])
RETURNING d.id, d.endpoint_id
"""


def stop_deliveries(ids: Sequence[UUID], state: Delivery.State, by: str | None) -> list[tuple[UUID, UUID]]:
    """Give unfinished deliveries this final state; return id and endpoint of those that changed."""
    return [
        (key, endpoint_id)
        for key, endpoint_id in run(STOP_DELIVERIES, {"ids": list(ids), "state": str(state), "by": by})
    ]


# Readers: send now, resend. Index: the primary key.
MAKE_DUE = f"""
UPDATE delivery_delivery SET next_attempt_at = now()
 WHERE id = %(id)s AND state = '{PENDING}' AND next_attempt_at > now()
"""
# Readers: as above. Index: the primary key.
ALLOW_PROBE = """
UPDATE delivery_lane SET circuit_open_until = now()
 WHERE endpoint_id = %(endpoint)s AND owner IS NULL AND circuit_open_until > now()
"""
# Reader: an endpoint that is retried now. Index: the primary key.
END_PAUSES = """
UPDATE delivery_lane
   SET circuit_open_until = least(circuit_open_until, now()), wait_until = NULL, wait_since = NULL, wait_status = NULL
 WHERE endpoint_id = %(endpoint)s AND owner IS NULL AND greatest(circuit_open_until, wait_until) > now()
"""


def make_due(delivery_id: UUID, endpoint_id: UUID) -> None:
    """Make a pending delivery due now; an open circuit breaker of its lane becomes half-open."""
    run(MAKE_DUE, {"id": delivery_id})
    allow_probe(endpoint_id)


def allow_probe(endpoint_id: UUID) -> None:
    """Make an open circuit breaker half-open, unless a drain leases the lane."""
    run(ALLOW_PROBE, {"endpoint": endpoint_id})


def end_pauses(endpoint_id: UUID) -> None:
    """Make an open breaker half-open, and end the pause that the endpoint asked for, unless a drain leases the lane."""
    run(END_PAUSES, {"endpoint": endpoint_id})
