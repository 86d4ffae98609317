"""Write events with their deliveries and count them, in one statement; look up events that exist already."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from delivery.sql.claim import CLAIM_GRACE, HOLD_SECONDS, LARGE_BODY
from delivery.sql.deliveries import INSERT_CLAIMED_DELIVERIES, PENDING, SENDING, DeliveryRow, delivery_parameters
from delivery.sql.due import ACTIVE, ALL_LEASED, CLAIMED, MAX_NAMED, OWNER_CHANNEL
from delivery.sql.figures.usage import INSERT_USAGE
from delivery.sql.lanes import IS_LISTENING
from webhooks.kit.sql import named_columns, run

SURELY_LEASED = 2.0  # seconds that a lease must last beyond now for its owner to be notified
RENEWED_LATELY = 6.0  # seconds a lease must still last for deliveries to be claimed: its owner may have stalled


class StoredEvent(NamedTuple):
    """A stored event: its key, the digest of its content, whether its fan-out is deferred.

    ``deliveries``: how many it has, if it was stored before. ``is_scheduled``: it waits for its time of delivery.
    """

    key: UUID
    digest: bytes
    is_deferred: bool
    deliveries: int = 0
    is_scheduled: bool = False


class Inserted(NamedTuple):
    """The ids of the events that were inserted.

    ``notified``: the endpoints with pending deliveries whose drains the commit notifies. ``claimed``: the deliveries
    that were claimed for the drains of their lanes; the commit notifies these drains of them.
    """

    events: set[UUID]
    notified: frozenset[UUID] = frozenset()
    claimed: frozenset[UUID] = frozenset()


class EventRow(NamedTuple):
    """An event to insert; ``body`` is the structured JSON that is signed and sent.

    ``original``: encrypted, before it was masked.
    """

    id: UUID
    source: str
    event_id: str
    type: str
    subject: str | None
    digest: bytes
    body: bytes
    original: bytes | None = None
    traceparent: str | None = None


class WarningRow(NamedTuple):
    """The schema warnings of one event, as JSON."""

    event_id: UUID
    warnings: str


# Reader: publishing. Indexes: the unique (tenant, event_id, source) finds repeats, the primary key of tenants the
# version, those of lanes and endpoints the owners. Materialized, so that the version is compared before anything is
# written. Deliveries are created in the order in which they are given, which is that of the batch: ordered endpoints
# get them in the order of creation. Where the owner of a lane wants it and listens, they are created claimed for it.
INSERT_EVENTS = f"""
WITH route_table AS MATERIALIZED (
    SELECT FROM subscriptions_tenant
     WHERE id = %(tenant)s AND routes_version = %(version)s AND deleted_at IS NULL
), accepted AS (
    INSERT INTO delivery_event (id, created_at, tenant_id, source, event_id, type, subject, digest, body, original,
                                traceparent)
    SELECT e.id, clock_timestamp(), %(tenant)s, e.source, e.event_id, e.type, e.subject, e.digest, e.body,
           e.original, e.traceparent
      FROM route_table, unnest(%(ids)s::uuid[], %(sources)s::text[], %(event_ids)s::text[], %(types)s::text[],
                               %(subjects)s::text[], %(digests)s::bytea[], %(bodies)s::bytea[],
                               %(originals)s::bytea[], %(traceparents)s::text[])
               AS e(id, source, event_id, type, subject, digest, body, original, traceparent)
        ON CONFLICT (tenant_id, source, event_id) DO NOTHING
    RETURNING id, created_at, type
), leased AS MATERIALIZED (
    SELECT lane.*
      FROM unnest(%(notified)s::uuid[]) AS requested(endpoint_id)
     CROSS JOIN LATERAL (
           SELECT l.endpoint_id, l.owner,
                  CASE WHEN l.publishers_claim AND l.due_at > now() + interval '{RENEWED_LATELY} seconds'
                            AND e.state = '{ACTIVE}' AND e.deleted_at IS NULL
                       THEN e.timeout_ms / 1000.0 + {CLAIM_GRACE + HOLD_SECONDS} END AS claim_seconds
             FROM delivery_lane l JOIN subscriptions_endpoint e ON e.id = ANY(ARRAY[l.endpoint_id])
            WHERE l.endpoint_id = requested.endpoint_id AND l.owner IS NOT NULL
              AND l.due_at > now() + interval '{SURELY_LEASED} seconds'
           OFFSET 0) lane
), listening AS MATERIALIZED (
    SELECT owner FROM (SELECT DISTINCT owner FROM leased WHERE claim_seconds IS NOT NULL) drain WHERE {IS_LISTENING}
), claims AS MATERIALIZED (
    SELECT l.endpoint_id, l.owner AS token, l.claim_seconds AS seconds
      FROM leased l JOIN listening ON listening.owner = l.owner
     WHERE l.claim_seconds IS NOT NULL
), fan_out AS (
    {INSERT_CLAIMED_DELIVERIES}
     WHERE d.event_id IN (SELECT id FROM accepted) ORDER BY d.place
    RETURNING id, event_id, endpoint_id, state
), counted AS (
    {INSERT_USAGE}
    SELECT %(tenant)s, (a.created_at AT TIME ZONE 'UTC')::date, a.type, count(*), coalesce(sum(d.count), 0)
      FROM accepted a LEFT JOIN (SELECT event_id, count(*) FROM fan_out GROUP BY event_id) d ON d.event_id = a.id
     GROUP BY 2, 3
), notified AS MATERIALIZED (
    SELECT DISTINCT l.owner, d.state = '{SENDING}' AS is_claimed,
           CASE d.state WHEN '{SENDING}' THEN d.id ELSE d.endpoint_id END AS key
      FROM fan_out d JOIN leased l ON l.endpoint_id = d.endpoint_id
     WHERE d.state IN ('{PENDING}', '{SENDING}')
)
SELECT EXISTS (SELECT FROM route_table), ARRAY(SELECT id FROM accepted),
       ARRAY(SELECT key FROM notified WHERE NOT is_claimed), ARRAY(SELECT key FROM notified WHERE is_claimed),
       (SELECT count(pg_notify('{OWNER_CHANNEL}' || owner, word || keys))
          FROM (SELECT owner, CASE WHEN is_claimed THEN '{CLAIMED}' ELSE '{ALL_LEASED}' END AS word,
                       string_agg(' ' || key, '') AS keys
                  FROM notified GROUP BY owner, is_claimed) payload)
"""
# Reader: publishing, for events with deliveries to ordered endpoints. Index: fan_out_ordered.
INSERT_ORDERED_EVENTS = INSERT_EVENTS.replace(
    "AND routes_version = %(version)s",
    """AND routes_version = %(version)s
       AND NOT EXISTS (SELECT FROM delivery_deferredfanout WHERE tenant_id = %(tenant)s AND is_ordered)""",
)


def insert_events(
    tenant_id: UUID,
    version: int,
    events: Sequence[EventRow],
    deliveries: Sequence[DeliveryRow],
    *,
    is_ordered: bool = False,
    notifies: bool = False,
) -> Inserted | None:
    """Insert the events that do not exist yet, each with its deliveries, and return their ids.

    ``notifies``: the commit notifies the drains that lease the lanes of these deliveries, and claims deliveries for
    them (docs/why/lanes.md). Until it is on disk it has a lock for that, for which every other commit waits that
    notifies. So only a statement that is a transaction by itself may do it, and only while no others commit.

    None: nothing was written, because the tenant's route table is no longer at this version, or the tenant is deleted;
    or, with ``is_ordered`` (some deliveries are to ordered endpoints), because an earlier event that may go to such
    endpoints is not routed yet.
    """
    parameters = {
        "version": version,
        **named_columns("ids sources event_ids types subjects digests bodies originals traceparents", events),
        "notified": _named(deliveries) if notifies else [],
        **delivery_parameters(tenant_id, None, deliveries),
        "claimable": _claimable(events, deliveries),
    }
    ((is_current, accepted, notified, claimed, _),) = run(
        INSERT_ORDERED_EVENTS if is_ordered else INSERT_EVENTS, parameters
    )
    return Inserted(set(accepted), frozenset(notified), frozenset(claimed)) if is_current else None


def _named(deliveries: Sequence[DeliveryRow]) -> list[UUID]:
    """Return the endpoints of pending deliveries; none if they are too many for one notification."""
    endpoints = {it.endpoint_id for it in deliveries if it.state == PENDING}
    return list(endpoints) if len(endpoints) <= MAX_NAMED else []


def _claimable(events: Sequence[EventRow], deliveries: Sequence[DeliveryRow]) -> list[bool]:
    """Return for each delivery whether it may be created claimed: pending, without an order key, with a small body.

    If there are more than MAX_NAMED, which one notification can name, none of them may.
    """
    if len(deliveries) > MAX_NAMED:
        return [False] * len(deliveries)
    large = {it.id for it in events if len(it.body) > LARGE_BODY}
    return [
        it.state == PENDING
        and it.order_key is None
        and (it.event_id not in large if it.body is None else len(it.body) <= LARGE_BODY)
        for it in deliveries
    ]


# Reader: publishing, for events whose data does not fit their schema. Index: the primary key.
STORE_WARNINGS = """
UPDATE delivery_event SET warnings = w.warnings::jsonb
  FROM unnest(%(ids)s::uuid[], %(warnings)s::text[]) AS w(id, warnings)
 WHERE delivery_event.id = ANY(ARRAY[w.id])
"""


def store_warnings(rows: Sequence[WarningRow]) -> None:
    """Store the schema warnings of events that this transaction inserted."""
    if rows:
        run(STORE_WARNINGS, named_columns("ids warnings", rows))


# Readers: publishing, for repeats; the monthly quota. Indexes: the unique (tenant, event_id, source), the unique ones
# on the event of deferred fan-outs and of deliveries. Lateral, so that each event is looked up: a join may read all
# events of a tenant for each of the requested ones.
FIND_EVENTS = """
SELECT e.source, e.event_id, e.id, e.digest,
       EXISTS (SELECT FROM delivery_deferredfanout f WHERE f.event_id = e.id),
       (SELECT count(*) FROM delivery_delivery d WHERE d.event_id = e.id),
       EXISTS (SELECT FROM delivery_delayedevent w WHERE w.event_id = e.id AND w.state = 'waiting')
  FROM unnest(%(sources)s::text[], %(event_ids)s::text[]) AS requested(source, event_id)
 CROSS JOIN LATERAL (
       SELECT id, source, event_id, digest FROM delivery_event
        WHERE tenant_id = %(tenant)s AND source = requested.source AND event_id = requested.event_id
       OFFSET 0) e
"""


def find_events(tenant_id: UUID, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], StoredEvent]:
    """Return the events that exist under these (source, id)."""
    rows = run(FIND_EVENTS, {"tenant": tenant_id, **named_columns("sources event_ids", names)})
    return {(source, event_id): StoredEvent(*stored) for source, event_id, *stored in rows}
