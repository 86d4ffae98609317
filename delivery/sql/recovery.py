"""What a crash or a late commit left behind, and what is brought back: the statements of the sweep and of replays.

They take the same care as those of the hot path (see ``ledger``): each is for many rows, skips what somebody else
has in hand, and leaves alone what is well.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from delivery.sql.ledger import GRACE, MOST_ATTEMPTS
from delivery.sql.statements import columns, run

POISON = 5  # claims in a row that nobody came back from

RESCUE = f"""
WITH cut AS (
    SELECT d.id, d.claimed_until, e.timeout_ms FROM delivery_delivery d
      JOIN subscriptions_endpoint e ON e.id = d.endpoint_id
     WHERE d.state = 'sending' AND d.claimed_until < now()
     LIMIT 1000 FOR UPDATE OF d SKIP LOCKED
), freed AS (
    UPDATE delivery_delivery d
       SET state = CASE WHEN claims >= {POISON} THEN 'dead' ELSE 'pending' END,
           next_attempt_at = CASE WHEN claims < {POISON} THEN now() END,
           attempts = least(attempts + 1, {MOST_ATTEMPTS}), token = NULL, claimed_until = NULL,
           last_status = NULL, last_error = 'unknown'
      FROM cut WHERE d.id = cut.id
    RETURNING d.id, d.tenant_id, d.endpoint_id, d.state, d.attempts,
              cut.claimed_until - make_interval(secs => cut.timeout_ms / 1000.0 + {GRACE}) AS started_at
), recorded AS (
    INSERT INTO delivery_attempt (id, created_at, delivery_id, number, started_at, duration_ms, status, error)
    SELECT delivery_uuid7(), now(), id, attempts, started_at, 0, NULL, 'unknown' FROM freed
), poisoned AS (
    INSERT INTO delivery_deadletter (id, created_at, tenant_id, endpoint_id, delivery_id, cause, reason, last_status,
                                     last_error, attempts, died_at, redriven_by)
    SELECT delivery_uuid7(), now(), tenant_id, endpoint_id, id, 'poison', '', NULL, 'unknown', attempts, now(), ''
      FROM freed WHERE state = 'dead'
        ON CONFLICT (delivery_id) WHERE redriven_at IS NULL DO NOTHING
)
SELECT id, endpoint_id, state FROM freed
"""  # noqa: S608


class Rescued(NamedTuple):
    """A delivery whose claim was voided, and what it is now: pending, or dead (poison)."""

    id: UUID
    endpoint_id: UUID
    state: str


def rescue() -> list[Rescued]:
    """Void claims nobody came back from, with an attempt of unknown end in the history."""
    return [Rescued(*row) for row in run(RESCUE, {})]


UNPARK = """
WITH able AS (
    SELECT l.endpoint_id FROM delivery_lane l
      JOIN subscriptions_endpoint e ON e.id = l.endpoint_id
      JOIN subscriptions_tenant t ON t.id = e.tenant_id
     WHERE l.parked
       AND (e.state = 'active' OR e.disabled_reason = 'gone' OR e.deleted_at IS NOT NULL OR t.deleted_at IS NOT NULL)
       FOR NO KEY UPDATE OF l SKIP LOCKED
)
UPDATE delivery_lane l SET parked = false, due_at = now() FROM able WHERE l.endpoint_id = able.endpoint_id
RETURNING l.endpoint_id
"""


def unpark() -> int:
    """Lanes whose endpoint is active again (or will never be) are due. How many."""
    return len(run(UNPARK, {}))


BEGIN_ANEW = """
WITH anew AS (
    SELECT l.endpoint_id FROM delivery_lane l
      JOIN subscriptions_endpoint e ON e.id = l.endpoint_id
     WHERE l.tripped_until > now() AND l.due_at > now() AND l.owner IS NULL
       AND greatest(e.moved_at, e.state_changed_at) > l.failing_since
       FOR NO KEY UPDATE OF l SKIP LOCKED
)
UPDATE delivery_lane l SET due_at = now() FROM anew WHERE l.endpoint_id = anew.endpoint_id
RETURNING l.endpoint_id
"""


def begin_anew() -> int:
    """Lanes whose endpoint was moved, or switched on again, since they tripped are due: whoever leases them finds them
    as good as new (see lanes). How many."""
    return len(run(BEGIN_ANEW, {}))


RAISE_TO_FLOOR = """
WITH low AS (
    SELECT d.id FROM delivery_lane l
      JOIN delivery_delivery d ON d.endpoint_id = l.endpoint_id
     WHERE d.state = 'pending' AND d.next_attempt_at < l.floor_at
       FOR UPDATE OF d SKIP LOCKED
)
UPDATE delivery_delivery d SET next_attempt_at = now() FROM low WHERE d.id = low.id
RETURNING d.endpoint_id
"""


def raise_to_floor() -> set[UUID]:
    """Rows that became visible below their lane's low-water mark get a due time above it. Their endpoints."""
    return {row[0] for row in run(RAISE_TO_FLOOR, {})}


REDRIVE = """
WITH opened AS (
    UPDATE delivery_deadletter l SET redriven_at = now(), redriven_by = %(by)s, replay_id = %(replay)s
      FROM unnest(%(letters)s::uuid[], %(bodies)s::bytea[]) AS r(id, body)
     WHERE l.id = r.id AND l.redriven_at IS NULL
    RETURNING l.delivery_id, r.body
)
UPDATE delivery_delivery d
   SET state = 'pending', next_attempt_at = clock_timestamp(), step = 0, claims = 0, started_at = clock_timestamp(),
       replay_id = %(replay)s, body = coalesce(opened.body, d.body)
  FROM opened
 WHERE d.id = opened.delivery_id AND d.state = 'dead'
RETURNING d.endpoint_id
"""


def redrive(replay_id: UUID, by: str, letters: Sequence[tuple[UUID, bytes | None]]) -> list[UUID]:
    """Close these dead letters and make their deliveries pending, with new bytes where some are given.

    The endpoint of each delivery that came back.
    """
    ids, bodies = columns(letters, 2)
    return [row[0] for row in run(REDRIVE, {"replay": replay_id, "by": by, "letters": ids, "bodies": bodies})]


LANES_MISSING = """
INSERT INTO delivery_lane (endpoint_id, tenant_id, due_at, parked, failures, trips, warned)
SELECT id, tenant_id, now(), false, 0, 0, 0 FROM subscriptions_endpoint e
 WHERE NOT EXISTS (SELECT FROM delivery_lane l WHERE l.endpoint_id = e.id)
   AND EXISTS (SELECT FROM delivery_delivery d WHERE d.endpoint_id = e.id AND d.state = 'pending')
    ON CONFLICT DO NOTHING
RETURNING endpoint_id
"""


def lanes_missing() -> set[UUID]:
    """Endpoints that were owed something before they ever had a lane. Now they have one."""
    return {row[0] for row in run(LANES_MISSING, {})}


EXPIRE = """
WITH old AS (
    SELECT d.id FROM delivery_lane l
     CROSS JOIN LATERAL (
           SELECT id FROM delivery_delivery
            WHERE endpoint_id = l.endpoint_id AND state = 'pending'
              AND next_attempt_at < now() - make_interval(secs => %(seconds)s)
            LIMIT 1000 FOR UPDATE SKIP LOCKED) d
     WHERE l.parked LIMIT 5000
), dead AS (
    UPDATE delivery_delivery d SET state = 'dead', next_attempt_at = NULL FROM old WHERE d.id = old.id
    RETURNING d.id, d.tenant_id, d.endpoint_id, d.last_status, d.last_error, d.attempts
)
INSERT INTO delivery_deadletter (id, created_at, tenant_id, endpoint_id, delivery_id, cause, reason, last_status,
                                 last_error, attempts, died_at, redriven_by)
SELECT delivery_uuid7(), now(), tenant_id, endpoint_id, id, 'expired', '', last_status, last_error, attempts, now(), ''
  FROM dead
    ON CONFLICT (delivery_id) WHERE redriven_at IS NULL DO NOTHING
RETURNING delivery_id
"""


def expire(seconds: float) -> list[UUID]:
    """Give up what has been due for that long while its lane was parked. Which deliveries, some thousand at a time."""
    return [row[0] for row in run(EXPIRE, {"seconds": seconds})]
