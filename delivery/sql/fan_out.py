"""Defer the fan-out of events to a worker, and carry it out: claim, read, store a slice, finish.

A row of ``delivery_deferredfanout`` is one event. Only the first row of a tenant, its head, is claimed; the worker that
has claimed it works on the tenant's next rows too, so that the events of a tenant are routed in order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.models import DeferredFanOut
from delivery.sql.figures.usage import INSERT_USAGE
from subscriptions.models import OPERATIONAL_NAMES
from webhooks.kit.sql import named_columns, run

CLAIM_SECONDS = 10.0  # a slice takes a fraction of a second; after so long another worker may claim the head
# A claim, or the delay of a failed slice, in force. One that ends too late was written by a clock that was ahead.
_IN_FORCE = f"claimed_until BETWEEN now() AND now() + make_interval(secs => {2 * CLAIM_SECONDS})"
OPERATIONAL = DeferredFanOut.Reason.OPERATIONAL
_NAMES = ", ".join(f"'{name}'" for name in OPERATIONAL_NAMES)
IS_OPERATIONAL = (
    f"s.active AND s.event_types && ARRAY[{_NAMES}]::varchar(256)[]"  # of the index subscription_operational
)

HAS_FAN_OUTS = "EXISTS (SELECT FROM delivery_deferredfanout)"  # reader: the schedule

# The one INSERT of deferred fan-outs; a FROM clause with these columns, in the order of routing, follows it.
INSERT_FAN_OUTS = "INSERT INTO delivery_deferredfanout (event_id, tenant_id, reason, is_ordered)"


class FanOutRow(NamedTuple):
    """A fan-out to defer. ``is_ordered``: whether the event may go to ordered endpoints."""

    event_id: UUID
    reason: str
    is_ordered: bool


# Reader: publishing. Ids are given in the order of the rows.
DEFER_FAN_OUTS = f"""
{INSERT_FAN_OUTS}
SELECT event_id, %(tenant)s, reason, is_ordered
  FROM unnest(%(ids)s::uuid[], %(reasons)s::text[], %(ordered)s::bool[])
       WITH ORDINALITY AS f(event_id, reason, is_ordered, n)
 ORDER BY n
"""


def defer_fan_outs(tenant_id: UUID, rows: Sequence[FanOutRow]) -> None:
    """Defer the fan-out of events that this transaction inserted, to be carried out in this order."""
    if rows:
        run(DEFER_FAN_OUTS, {"tenant": tenant_id, **named_columns("ids reasons ordered", rows)})


# Reader: publishing, after insert_events did not write events for ordered endpoints. Index: fan_out_ordered.
ORDERED_FAN_OUT_EXISTS = """
SELECT EXISTS (SELECT FROM delivery_deferredfanout WHERE tenant_id = %(tenant)s AND is_ordered)
"""


def has_ordered_fan_outs(tenant_id: UUID) -> bool:
    """Return whether an event that may go to ordered endpoints of the tenant is not routed yet."""
    ((exists,),) = run(ORDERED_FAN_OUT_EXISTS, {"tenant": tenant_id})
    return bool(exists)


class OperationalEventRow(NamedTuple):
    """An event of the platform for one tenant; ``body`` is the structured JSON that is signed and sent.

    ``endpoints``: ids of endpoints that get it whatever their subscriptions, as an array's text. ``about``: the event
    whose data it repeats.
    """

    id: UUID
    tenant_id: UUID
    event_id: str
    digest: bytes
    body: bytes
    endpoints: str = "{}"
    about: UUID | None = None


# Readers: settling, the sweep, publishing of results. Index: subscription_operational, one look-up for each event.
# Events are stored only if the tenant subscribes to the type, or an endpoint is named that gets them.
INSERT_OPERATIONAL_EVENTS = f"""
WITH given AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(tenants)s::uuid[], %(event_ids)s::text[], %(digests)s::bytea[],
                         %(bodies)s::bytea[], %(endpoints)s::text[], %(abouts)s::uuid[])
                  AS e(id, tenant_id, event_id, digest, body, endpoints, about)
), accepted AS (
    INSERT INTO delivery_event (id, created_at, tenant_id, source, event_id, type, subject, digest, body, about)
    SELECT e.id, clock_timestamp(), e.tenant_id, %(source)s, e.event_id, %(type)s, %(subject)s::text, e.digest,
           e.body, e.about
      FROM given e
     WHERE e.endpoints <> '{{}}'
        OR EXISTS (SELECT FROM subscriptions_subscription s
                     LEFT JOIN subscriptions_endpoint p ON p.id = ANY(ARRAY[s.endpoint_id])
                    WHERE s.tenant_id = e.tenant_id AND {IS_OPERATIONAL} AND p.deleted_at IS NULL
                      AND s.event_types && %(names)s::varchar[])
        ON CONFLICT (tenant_id, source, event_id) DO NOTHING
    RETURNING id, tenant_id, created_at
), deferred AS (
    INSERT INTO delivery_deferredfanout (event_id, tenant_id, reason, is_ordered, endpoint_ids)
    SELECT id, accepted.tenant_id, '{OPERATIONAL}', false, endpoints::uuid[] FROM accepted JOIN given USING (id)
     ORDER BY id
), counted AS (
    {INSERT_USAGE}
    SELECT tenant_id, (created_at AT TIME ZONE 'UTC')::date, %(type)s, count(*), 0 FROM accepted GROUP BY 1, 2
)
SELECT count(*) FROM accepted
"""


def insert_operational_events(
    source: str, event_type: str, names: Sequence[str], rows: Sequence[OperationalEventRow], subject: str | None = None
) -> int:
    """Insert events of one type, each for its tenant if it subscribes to the type, or if the row names an endpoint.

    Return how many were inserted.

    ``names``: what a subscription may name to receive the type.
    """
    parameters = {
        "source": source,
        "type": event_type,
        "subject": subject,
        "names": list(names),
        **named_columns("ids tenants event_ids digests bodies endpoints abouts", rows),
    }
    ((count,),) = run(INSERT_OPERATIONAL_EVENTS, parameters)
    return int(count)


class Head(NamedTuple):
    """The first deferred event of a tenant."""

    tenant_id: UUID
    event_id: UUID


CLAIMS = f"(SELECT count(*) FROM delivery_deferredfanout WHERE token IS NOT NULL AND {_IN_FORCE})"

# Reader: the fan-out task. Indexes: fan_out_by_tenant, walked from one tenant to the next; fan_out_claimed.
NEXT_HEADS = f"""
WITH RECURSIVE heads AS (
    (SELECT tenant_id, event_id, claimed_until FROM delivery_deferredfanout
      WHERE tenant_id > %(after)s ORDER BY tenant_id, id LIMIT 1)
    UNION ALL
    SELECT next.* FROM heads CROSS JOIN LATERAL (
           SELECT tenant_id, event_id, claimed_until FROM delivery_deferredfanout
            WHERE tenant_id > heads.tenant_id ORDER BY tenant_id, id LIMIT 1) next
)
SELECT tenant_id, event_id FROM heads
 WHERE ({_IN_FORCE}) IS NOT TRUE AND {CLAIMS} < %(max_claims)s
 LIMIT %(limit)s
"""


def next_heads(after: UUID, limit: int, max_claims: int) -> list[Head]:
    """Return the heads that can be claimed of the next tenants after this id; none if there are ``max_claims``."""
    parameters = {"after": after, "limit": limit, "max_claims": max_claims}
    return [Head(*row) for row in run(NEXT_HEADS, parameters)]


# Reader: the fan-out task. Indexes: the unique one on the event, fan_out_claimed.
CLAIM_FAN_OUT = f"""
UPDATE delivery_deferredfanout
   SET token = %(token)s, claimed_until = now() + make_interval(secs => %(seconds)s)
 WHERE event_id = %(event)s AND ({_IN_FORCE}) IS NOT TRUE
   AND {CLAIMS} < %(max_claims)s
RETURNING id
"""


def claim_fan_out(token: UUID, event_id: UUID, max_claims: int) -> bool:
    """Claim this head under ``token``, unless it is claimed or ``max_claims`` others are; return whether it was."""
    parameters = {"token": token, "event": event_id, "seconds": CLAIM_SECONDS, "max_claims": max_claims}
    return bool(run(CLAIM_FAN_OUT, parameters))


class DeferredEvent(NamedTuple):
    """An event to route. ``cursor``: its last subscription that is done. ``body``: None if the event is gone.

    ``endpoint_ids``: endpoints that get it whatever their subscriptions. ``grant_id``: the grant that has shared it.
    """

    event_id: UUID
    cursor: UUID | None
    created_at: datetime | None
    body: bytes | None
    endpoint_ids: list[UUID]
    grant_id: UUID | None = None
    original: bytes | None = None


# Reader: the fan-out task. Index: fan_out_by_tenant. The sizes of bodies are known without reading them.
READ_FAN_OUTS = """
WITH first AS (
    SELECT id, event_id, cursor, endpoint_ids FROM delivery_deferredfanout
     WHERE tenant_id = %(tenant)s ORDER BY id LIMIT %(limit)s
), sized AS (
    SELECT f.*, coalesce(sum(octet_length(e.body)) OVER (ORDER BY f.id) - octet_length(e.body), 0) AS before
      FROM first f LEFT JOIN delivery_event e ON e.id = ANY(ARRAY[f.event_id])
)
SELECT s.event_id, s.cursor,
       greatest(e.created_at, (SELECT deliver_at FROM delivery_delayedevent w WHERE w.event_id = e.id)), e.body,
       s.endpoint_ids, e.grant_id, e.original
  FROM sized s LEFT JOIN delivery_event e ON e.id = ANY(ARRAY[s.event_id])
 WHERE s.before < %(max_bytes)s
 ORDER BY s.id
"""


def read_fan_outs(tenant_id: UUID, limit: int, max_bytes: int) -> list[DeferredEvent]:
    """Return the first deferred events of a tenant, at most ``limit``, and no more after ``max_bytes`` of bodies."""
    rows = run(READ_FAN_OUTS, {"tenant": tenant_id, "limit": limit, "max_bytes": max_bytes})
    return [DeferredEvent(*row) for row in rows]


# Reader: the fan-out task, when it stores a slice. Index: the unique one on the event.
LOCK_FAN_OUTS = """
SELECT event_id, token FROM delivery_deferredfanout WHERE event_id = ANY(%(events)s::uuid[]) ORDER BY id FOR UPDATE
"""


def lock_fan_outs(token: UUID, events: Sequence[UUID]) -> set[UUID]:
    """Lock these rows and return the events that are still deferred; empty if the first is not claimed under token."""
    found = dict(run(LOCK_FAN_OUTS, {"events": list(events)}))
    return set(found) if events and found.get(events[0]) == token else set()


# Reader: the fan-out task, in the transaction that stores a slice. Index: the unique one on the event.
FINISH_FAN_OUTS = "DELETE FROM delivery_deferredfanout WHERE event_id = ANY(%(events)s::uuid[])"
MOVE_CURSOR = "UPDATE delivery_deferredfanout SET cursor = %(cursor)s WHERE event_id = %(event)s"
RELEASE_CLAIM = """
UPDATE delivery_deferredfanout
   SET token = NULL, claimed_until = now() + nullif(make_interval(secs => %(seconds)s), interval '0')
 WHERE event_id = %(event)s AND token = %(token)s
"""


def finish_fan_outs(events: Sequence[UUID]) -> None:
    """Remove events whose deliveries are all created."""
    run(FINISH_FAN_OUTS, {"events": list(events)})


def move_cursor(event_id: UUID, cursor: UUID) -> None:
    """Store that the subscriptions of this event are done up to this one."""
    run(MOVE_CURSOR, {"event": event_id, "cursor": cursor})


def release_claim(token: UUID, event_id: UUID, *, retry_after: float = 0.0) -> None:
    """End the claim of this head; it can be claimed again after so many seconds."""
    run(RELEASE_CLAIM, {"event": event_id, "token": token, "seconds": retry_after})


# Reader: erasing an event's data.
def cancel_fan_out(event_id: UUID) -> None:
    """Drop the deferred fan-out of this event. Waits for a slice that is being stored."""
    finish_fan_outs([event_id])
