"""Insert dead letters (of given, of a deleted or gone endpoint's, of expired deliveries), and replay what is finished.

A replay sets the retry plan back to its start (``step``), keeps the number of attempts, and never sends twice what
was requested once: each statement is guarded by the state it changes. The delivery's row stays, so its bytes and its
`webhook-id` (the event's id) stay too; only a failed transformation is rendered again.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.models import DeadLetter, Delivery
from delivery.sql.fan_out import IS_OPERATIONAL
from webhooks.kit.sql import named_columns, run
from webhooks.wire.bodies.storable_text import storable

PENDING, DEAD = Delivery.State.PENDING, Delivery.State.DEAD
DELIVERED, CANCELLED, SUPERSEDED = Delivery.State.DELIVERED, Delivery.State.CANCELLED, Delivery.State.SUPERSEDED
EXPIRED = DeadLetter.Cause.EXPIRED

MAX_EXPIRED = 5_000  # expired deliveries in one statement
MAX_EXPIRED_PER_ENDPOINT = 1_000  # of these, so that one endpoint does not use up the statement

# The one INSERT of dead letters. A statement puts it after a common table expression "dead" with the columns id (of the
# delivery), tenant_id, endpoint_id, last_status, last_error, attempts, cause and reason. Index: the unique one on the
# delivery of a dead letter that is not closed; a delivery that has one gets no second one.
INSERT_DEAD_LETTERS = """
    INSERT INTO delivery_deadletter (id, created_at, tenant_id, endpoint_id, delivery_id, cause, reason, last_status,
                                     last_error, attempts, failed_at, closed_by)
    SELECT webhooks_uuid7(), now(), tenant_id, endpoint_id, id, cause, reason, last_status, last_error, attempts,
           now(), ''
      FROM dead
        ON CONFLICT (delivery_id) WHERE closed_at IS NULL DO NOTHING
"""


class DeadLetterRow(NamedTuple):
    """A delivery that failed permanently. ``reason``: details beyond the cause, as text; None if there are none."""

    delivery_id: UUID
    cause: str
    reason: str | None


class DescribedLetter(NamedTuple):
    """Hold what ``waypost.delivery.dead`` says of a dead letter."""

    id: UUID
    tenant_id: UUID
    delivery_id: UUID
    event_id: UUID
    event_type: str
    endpoint_id: UUID
    cause: str
    reason: str
    attempts: int
    last_status: int | None
    last_error: str


# Reader: publishing of dead letters. Indexes: the primary keys, the unique one on the delivery of an open dead letter,
# and subscription_operational. Most tenants, and the platform, do not subscribe: of their letters nothing is read.
DESCRIBE_LETTERS = f"""
SELECT l.id, l.tenant_id, l.delivery_id, e.id, e.type, l.endpoint_id, l.cause, l.reason, l.attempts, l.last_status,
       l.last_error
  FROM delivery_deadletter l
  JOIN delivery_delivery d ON d.id = ANY(ARRAY[l.delivery_id])
  JOIN delivery_event e ON e.id = ANY(ARRAY[d.event_id])
 WHERE l.delivery_id = ANY(%(deliveries)s::uuid[]) AND l.closed_at IS NULL
   AND NOT starts_with(e.type, %(operational)s)
   AND l.tenant_id = ANY(ARRAY(
       SELECT t.id FROM subscriptions_tenant t
        WHERE t.id = ANY(ARRAY(SELECT tenant_id FROM delivery_deadletter
                                WHERE delivery_id = ANY(%(deliveries)s::uuid[]) AND closed_at IS NULL))
          AND EXISTS (SELECT FROM subscriptions_subscription s
                       WHERE s.tenant_id = ANY(ARRAY[t.id, (SELECT id FROM subscriptions_tenant
                                                             WHERE is_platform AND deleted_at IS NULL)])
                         AND {IS_OPERATIONAL} AND s.event_types && %(names)s::varchar[] OFFSET 0)))
 ORDER BY l.id
"""


def describe_letters(delivery_ids: Sequence[UUID], names: Sequence[str], operational: str) -> list[DescribedLetter]:
    """Describe the open dead letters of these deliveries that a tenant is notified of.

    ``names``: what a subscription may name to receive the event about a dead letter. ``operational``: the prefix of
    the types of events whose dead letters are not published.
    """
    parameters = {"deliveries": list(delivery_ids), "names": list(names), "operational": operational}
    return [DescribedLetter(*row) for row in run(DESCRIBE_LETTERS, parameters)]


# Reader: dead_letter (delivery/operational), for what its callers have given the state dead. Index: the primary key.
DEAD_LETTER_THESE = f"""
WITH dead AS (
    SELECT d.id, d.tenant_id, d.endpoint_id, d.last_status, d.last_error, d.attempts, r.cause,
           coalesce(r.reason, '') AS reason
      FROM unnest(%(deliveries)s::uuid[], %(causes)s::text[], %(reasons)s::text[]) AS r(delivery_id, cause, reason)
      JOIN delivery_delivery d ON d.id = ANY(ARRAY[r.delivery_id])
)
{INSERT_DEAD_LETTERS}
"""


def insert_dead_letters(rows: Sequence[DeadLetterRow]) -> None:
    """Insert a dead letter for each of these deliveries, whose state must be ``dead`` already."""
    if rows:
        values = named_columns("deliveries causes reasons", rows)
        # An expression may quote what it failed on.
        values["reasons"] = [None if it is None else storable(it) for it in values["reasons"]]
        run(DEAD_LETTER_THESE, values)


# Reader: the drain, for endpoints that are deleted or gone (responded 410). Index: delivery_due, from where the slice
# before ended: the entries of ended deliveries stay in it until a vacuum, and every slice would read all of them.
END_PENDING = f"""
WITH undeliverable AS (
    SELECT id, next_attempt_at FROM delivery_delivery
     WHERE endpoint_id = %(endpoint)s AND state = '{PENDING}' AND next_attempt_at >= %(after)s
     ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), dead AS (
    UPDATE delivery_delivery d SET state = '{DEAD}', next_attempt_at = NULL
      FROM undeliverable WHERE d.id = ANY(ARRAY[undeliverable.id])
    RETURNING d.id, d.tenant_id, d.endpoint_id, d.last_status, d.last_error, d.attempts,
              %(cause)s AS cause, '' AS reason
), letters AS (
    {INSERT_DEAD_LETTERS}
    RETURNING delivery_id
)
SELECT delivery_id, (SELECT max(next_attempt_at) FROM undeliverable) FROM letters
"""


class EndedPending(NamedTuple):
    """List the deliveries of one slice that are dead now; ``until``: when the last one was due, None without one."""

    ids: list[UUID]
    until: datetime | None


def end_pending(endpoint_id: UUID, cause: str, after: datetime, limit: int = 1_000) -> EndedPending:
    """Dead-letter up to ``limit`` pending deliveries of an endpoint, the first that are due at ``after`` or later."""
    rows = run(END_PENDING, {"endpoint": endpoint_id, "cause": cause, "after": after, "limit": limit})
    return EndedPending([row[0] for row in rows], rows[0][1] if rows else None)


# Reader: the sweep. Indexes: lane_endpoint_inactive, lane_pulled, delivery_due.
END_EXPIRED = f"""
WITH expired AS (
    SELECT d.id FROM (
           SELECT endpoint_id FROM delivery_lane WHERE endpoint_inactive
            UNION ALL SELECT endpoint_id FROM delivery_lane WHERE is_pulled) l
     CROSS JOIN LATERAL (
           SELECT id FROM delivery_delivery
            WHERE endpoint_id = l.endpoint_id AND state = '{PENDING}'
              AND next_attempt_at < now() - make_interval(secs => %(seconds)s)
            LIMIT {MAX_EXPIRED_PER_ENDPOINT} FOR UPDATE SKIP LOCKED) d
     LIMIT {MAX_EXPIRED}
), dead AS (
    UPDATE delivery_delivery d SET state = '{DEAD}', next_attempt_at = NULL
      FROM expired WHERE d.id = ANY(ARRAY[expired.id])
    RETURNING d.id, d.tenant_id, d.endpoint_id, d.last_status, d.last_error, d.attempts,
              '{EXPIRED}' AS cause, '' AS reason
)
{INSERT_DEAD_LETTERS}
RETURNING delivery_id
"""


def end_expired(seconds: float) -> list[UUID]:
    """Dead-letter up to MAX_EXPIRED deliveries and return their ids.

    A delivery is expired if it was due more than ``seconds`` ago, and its endpoint is inactive or no consumer has
    pulled it.
    """
    return [row[0] for row in run(END_EXPIRED, {"seconds": seconds})]


class ReplayedLetter(NamedTuple):
    """A dead letter to replay; with a ``body`` that was rendered now, or None to keep what the delivery has.

    ``content_type``: of the new body, unless that follows from the body.
    """

    id: UUID
    body: bytes | None = None
    content_type: str | None = None
    form: str | None = None


# Readers: replays of dead letters and of events. Indexes: the primary keys. The two states are compared so that no
# partial index of open dead letters or of dead deliveries serves: it would be read whole, for each row.
REPLAY_DEAD_LETTERS = f"""
WITH closed AS (
    UPDATE delivery_deadletter l SET closed_at = now(), closed_by = %(by)s, replay_id = %(replay)s
      FROM unnest(%(letters)s::uuid[], %(bodies)s::bytea[], %(content_types)s::text[], %(forms)s::text[])
               AS r(id, body, content_type, form)
     WHERE l.id = ANY(ARRAY[r.id]) AND coalesce(l.closed_at, 'infinity') = 'infinity'
    RETURNING l.delivery_id, r.body, r.content_type, r.form, '{DEAD}' AS state
), clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
)
UPDATE delivery_delivery d
   SET state = '{PENDING}', next_attempt_at = clock.now, step = 0, claims = 0, started_at = clock.now,
       replay_id = %(replay)s, body = coalesce(closed.body, d.body),
       content_type = CASE WHEN closed.body IS NULL THEN d.content_type ELSE closed.content_type END,
       form = CASE WHEN closed.body IS NULL THEN d.form ELSE closed.form END
  FROM closed, clock
 WHERE d.id = ANY(ARRAY[closed.delivery_id]) AND d.state = closed.state
RETURNING d.endpoint_id
"""


def replay_dead_letters(replay_id: UUID, by: str, letters: Sequence[ReplayedLetter]) -> list[UUID]:
    """Close these dead letters and make their deliveries pending; return the endpoint of each delivery.

    ``by``: who requested the replay.
    """
    values = named_columns("letters bodies content_types forms", letters)
    return [row[0] for row in run(REPLAY_DEAD_LETTERS, {"replay": replay_id, "by": by, **values})]


# Reader: replays of events. Index: the primary key.
REPLAY_FINISHED = f"""
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
)
UPDATE delivery_delivery
   SET state = '{PENDING}', next_attempt_at = clock.now, step = 0, claims = 0, started_at = clock.now,
       replay_id = %(replay)s, cancelled_at = NULL, cancelled_by = NULL,
       superseded_at = NULL, superseded_by_id = NULL
  FROM clock
 WHERE id = ANY(%(ids)s::uuid[]) AND state IN ('{DELIVERED}', '{CANCELLED}', '{SUPERSEDED}')
   AND started_at <= %(requested_at)s
RETURNING endpoint_id
"""


def replay_finished(replay_id: UUID, delivery_ids: Sequence[UUID], requested_at: datetime) -> list[UUID]:
    """Make delivered, cancelled and superseded deliveries pending, if they were last started before the request.

    Returns the endpoint of each delivery that changed.
    """
    parameters = {"replay": replay_id, "ids": list(delivery_ids), "requested_at": requested_at}
    return [row[0] for row in run(REPLAY_FINISHED, parameters)]
