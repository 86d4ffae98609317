"""Store pending results of deliveries that have ended for good, and read what their invocation records say."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.sql.fan_out import IS_OPERATIONAL
from subscriptions.models import SUCCEEDED
from webhooks.kit.sql import run

MAX_ORIGINAL = 65_536  # bytes of an event that its record has by value
MAX_TENANTS = 100  # that one read gives a turn
MAX_OF_TENANT = 50  # results of one tenant in one read
MAX_RESULTS = 200  # in one read: with their events at most 13 MB

HAS_PENDING_RESULTS = "EXISTS (SELECT FROM delivery_pendingresult)"  # reader: the schedule
PLATFORM = "(SELECT id FROM subscriptions_tenant WHERE is_platform AND deleted_at IS NULL)"

# Reader: settling, once a second. Index: subscription_to_successes, which is empty without such subscriptions.
FIND_SUBSCRIBERS = f"""
SELECT DISTINCT s.tenant_id, s.tenant_id = {PLATFORM} FROM subscriptions_subscription s
 WHERE s.active AND s.event_types @> ARRAY['{SUCCEEDED}']::varchar(256)[]
"""


class Subscribers(NamedTuple):
    """The tenants that subscribe to deliveries that succeeded; ``has_platform``: its own tenant is one of them."""

    tenants: frozenset[UUID]
    has_platform: bool


def find_subscribers() -> Subscribers:
    """Return which tenants subscribe to deliveries that succeeded."""
    rows = run(FIND_SUBSCRIBERS, {})
    return Subscribers(frozenset(row[0] for row in rows), any(row[1] for row in rows))


# Readers: settling, dead-lettering, cancelling. Indexes: the primary keys, the unique one on the delivery of an open
# dead letter, subscription_operational. Deliveries of the platform's own events have no results.
def _insert(named: str) -> str:
    """Return the statement that inserts pending results for the endpoint of this column, or for subscriptions."""
    return f"""
INSERT INTO delivery_pendingresult (id, created_at, tenant_id, delivery_id, endpoint_id, succeeded, condition, reason,
                                    attempts, last_status, last_error)
SELECT webhooks_uuid7(), now(), d.tenant_id, d.id, p.{named}_id, %(succeeded)s, coalesce(l.cause, d.state),
       coalesce(l.reason, ''), d.attempts, d.last_status, d.last_error
  FROM unnest(%(deliveries)s::uuid[]) WITH ORDINALITY AS ended(id, place)
  JOIN delivery_delivery d ON d.id = ANY(ARRAY[ended.id])
  JOIN subscriptions_endpoint p ON p.id = ANY(ARRAY[d.endpoint_id])
  JOIN delivery_event e ON e.id = ANY(ARRAY[d.event_id])
  LEFT JOIN LATERAL (
       SELECT cause, reason FROM delivery_deadletter
        WHERE delivery_id = d.id AND closed_at IS NULL OFFSET 0) l ON true
 WHERE NOT starts_with(e.type, %(operational)s)
   AND (p.{named}_id IS NOT NULL
        OR EXISTS (SELECT FROM subscriptions_subscription s
                    WHERE s.tenant_id = ANY(ARRAY[d.tenant_id, {PLATFORM}])
                      AND {IS_OPERATIONAL} AND s.event_types && %(names)s::varchar[] OFFSET 0))
 ORDER BY ended.place
RETURNING id
"""


ADD_SUCCESSES, ADD_FAILURES = _insert("on_success"), _insert("on_failure")


def insert_pending_results(
    delivery_ids: Sequence[UUID], *, succeeded: bool, names: Sequence[str], operational: str
) -> int:
    """Insert pending results of these deliveries where an endpoint receives them; return how many.

    Call in the transaction that ends them.

    ``names``: what a subscription may name to receive the record. ``operational``: the prefix of the types of events
    whose deliveries have no results.
    """
    parameters = {
        "deliveries": list(delivery_ids),
        "succeeded": succeeded,
        "names": list(names),
        "operational": operational,
    }
    return len(run(ADD_SUCCESSES if succeeded else ADD_FAILURES, parameters))


class PendingRecord(NamedTuple):
    """Hold what the invocation record of a delivery says. ``named``: the endpoint that gets it; None: subscribers only.

    ``response``: recorded bytes of the response to the last attempt; None if there was none.
    """

    id: UUID
    tenant_id: UUID
    delivery_id: UUID
    endpoint_id: UUID
    event_id: UUID
    named: UUID | None
    succeeded: bool
    condition: str
    reason: str
    attempts: int
    last_status: int | None
    last_error: str
    created_at: datetime
    ended_at: datetime
    response: bytes | None


# Reader: publishing of results. Indexes: pending_result_by_tenant, walked from one tenant to the next, so that each has
# its turn; attempt_by_delivery. A result whose delivery is not kept any more is dropped.
TAKE_PENDING = f"""
WITH RECURSIVE turns AS (
    (SELECT tenant_id FROM delivery_pendingresult ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT next.tenant_id FROM turns CROSS JOIN LATERAL (
           SELECT tenant_id FROM delivery_pendingresult WHERE tenant_id > turns.tenant_id
            ORDER BY tenant_id LIMIT 1) next
), locked AS (
    SELECT pending.id FROM (SELECT tenant_id FROM turns LIMIT {MAX_TENANTS}) turn
     CROSS JOIN LATERAL (
           SELECT id FROM delivery_pendingresult WHERE tenant_id = turn.tenant_id
            ORDER BY id LIMIT {MAX_OF_TENANT} FOR UPDATE SKIP LOCKED) pending
     LIMIT {MAX_RESULTS}
), taken AS (
    DELETE FROM delivery_pendingresult o USING locked WHERE o.id = ANY(ARRAY[locked.id]) RETURNING o.*
)
SELECT o.id, o.tenant_id, o.delivery_id, d.endpoint_id, d.event_id, o.endpoint_id, o.succeeded, o.condition, o.reason,
       o.attempts, o.last_status, o.last_error, d.created_at, o.created_at, latest.response
  FROM taken o
  LEFT JOIN delivery_delivery d ON d.id = ANY(ARRAY[o.delivery_id])
  LEFT JOIN LATERAL (
       SELECT response FROM delivery_attempt WHERE delivery_id = o.delivery_id AND number <= o.attempts
        ORDER BY number DESC, id DESC LIMIT 1) latest ON true
 ORDER BY o.id
"""


class TakenResults(NamedTuple):
    """Count the pending results that this transaction has deleted; ``records``: of those whose delivery is kept."""

    total: int
    records: list[PendingRecord]


def take_pending() -> TakenResults:
    """Delete pending results, tenant by tenant, and return them.

    Call in the transaction that publishes their records.
    """
    rows = run(TAKE_PENDING, {})
    return TakenResults(len(rows), [PendingRecord(*row) for row in rows if row[3] is not None])


class Original(NamedTuple):
    """The event of a result: its attributes, and its structured JSON; None if that is too large for a record."""

    source: str
    event_id: str
    type: str
    body: bytes | None


# Reader: publishing of results. Index: the primary key. Erasing waits for the record, and then erases it too.
READ_ORIGINALS = f"""
SELECT id, source, event_id, type, CASE WHEN octet_length(body) <= {MAX_ORIGINAL} THEN body END
  FROM delivery_event WHERE id = ANY(%(events)s::uuid[]) ORDER BY id FOR SHARE
"""


def read_originals(event_ids: Sequence[UUID]) -> dict[UUID, Original]:
    """Return the events of these results that are kept, by id, and keep them from being erased until the commit."""
    return {row[0]: Original(*row[1:]) for row in run(READ_ORIGINALS, {"events": list(event_ids)})}


# Reader: receipts that have ended. Index: subscription_operational.
SUBSCRIBING = f"""
SELECT t.id FROM unnest(%(tenants)s::uuid[]) AS t(id)
 WHERE EXISTS (SELECT FROM subscriptions_subscription s
                WHERE s.tenant_id = ANY(ARRAY[t.id, {PLATFORM}])
                  AND {IS_OPERATIONAL} AND s.event_types && %(names)s::varchar[] OFFSET 0)
"""


def subscribing(tenant_ids: Sequence[UUID], names: Sequence[str]) -> set[UUID]:
    """Return those of these tenants for which a subscription, of theirs or of the platform, has one of these names."""
    return {row[0] for row in run(SUBSCRIBING, {"tenants": list(tenant_ids), "names": list(names)})}
