"""Choose the events that are archived, read them with what is below them, lock them, and restore them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.sql.retention import FINISHED
from webhooks.kit.sql import named_columns, run

# Reader: the archive. Index: event_by_tenant.
OLD_EVENTS = """
SELECT id FROM delivery_event
 WHERE tenant_id = %(tenant)s AND id > %(after)s AND id < %(before)s
 ORDER BY id LIMIT %(limit)s
"""


def _is_complete(cutoff: str) -> str:
    """Return the condition that retention may delete an event ``e`` with all of its deliveries, at a cutoff.

    An event stays as long as one of them does. Indexes: the unique ones on the event of deliveries, fan-outs and
    delayed events, dead_letter_by_delivery.
    """
    return f"""
       NOT EXISTS (SELECT FROM delivery_delivery d
                    WHERE d.event_id = ANY(ARRAY[e.id])
                      AND (d.state NOT IN ({FINISHED}) OR d.started_at >= {cutoff}
                           OR EXISTS (SELECT FROM delivery_deadletter l
                                       WHERE l.delivery_id = ANY(ARRAY[d.id]) AND l.failed_at >= {cutoff})))
   AND NOT EXISTS (SELECT FROM delivery_deferredfanout f WHERE f.event_id = ANY(ARRAY[e.id]))
   AND NOT EXISTS (SELECT FROM delivery_delayedevent w
                    WHERE w.event_id = ANY(ARRAY[e.id]) AND w.deliver_at >= {cutoff})
"""


# Reader: the archive. Indexes: the primary key, and those of the condition.
COMPLETE_EVENTS = f"""
SELECT e.id, e.size, e.deliveries
  FROM unnest(%(ids)s::uuid[]) AS old(id)
 CROSS JOIN LATERAL (
       SELECT id, octet_length(body) AS size,
              (SELECT count(*) FROM delivery_delivery d WHERE d.event_id = ANY(ARRAY[delivery_event.id])) AS deliveries
         FROM delivery_event WHERE id = old.id OFFSET 0) e
 WHERE {_is_complete("%(cutoff)s")}
 ORDER BY e.id
"""
# Reader: the status of the archive, while it is away or behind. Indexes: event_by_tenant, and those of the condition.
OLDEST_COMPLETE = f"""
SELECT t.id, oldest.id
  FROM unnest(%(tenants)s::uuid[], %(befores)s::uuid[], %(cutoffs)s::timestamptz[]) AS t(id, before, cutoff)
 CROSS JOIN LATERAL (
       SELECT e.id FROM (SELECT id FROM delivery_event
                          WHERE tenant_id = t.id AND id < t.before ORDER BY id LIMIT %(limit)s) e
        WHERE {_is_complete("t.cutoff")}
        ORDER BY e.id LIMIT 1) oldest
"""


class CompleteEvent(NamedTuple):
    """An event that may be archived. ``size``: bytes of its body. ``deliveries``: how many it has."""

    id: UUID
    size: int
    deliveries: int


def old_events(tenant_id: UUID, after: UUID, before: UUID, limit: int) -> list[UUID]:
    """Return up to ``limit`` events of the tenant with keys between the two, oldest first."""
    parameters = {"tenant": tenant_id, "after": after, "before": before, "limit": limit}
    return [row[0] for row in run(OLD_EVENTS, parameters)]


def complete_events(ids: Sequence[UUID], cutoff: datetime) -> list[CompleteEvent]:
    """Return those of these events that retention may delete with all of their deliveries, oldest first."""
    return [CompleteEvent(*row) for row in run(COMPLETE_EVENTS, {"ids": list(ids), "cutoff": cutoff})]


def oldest_complete(cutoffs: Mapping[UUID, datetime], befores: Sequence[UUID], limit: int) -> dict[UUID, UUID]:
    """Return the oldest event that may be archived of each of these tenants that has any, with their cutoffs.

    The first ``limit`` events of a tenant are looked at; ``befores``: the key that those of each have to be below.
    """
    parameters = {
        "tenants": [*cutoffs],
        "befores": [*befores],
        "cutoffs": [*cutoffs.values()],
        "limit": limit,
    }
    return dict(run(OLDEST_COMPLETE, parameters))


# Reader: the archive. Indexes: the primary key, the unique (event, endpoint).
LOCK_EVENTS = "SELECT id FROM delivery_event WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED"
LOCK_DELIVERIES = """
SELECT id FROM delivery_delivery WHERE event_id = ANY(%(ids)s::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED
"""


def lock_events(ids: Sequence[UUID]) -> list[UUID]:
    """Lock these events and return those that were neither locked nor deleted. Call in a transaction."""
    return [row[0] for row in run(LOCK_EVENTS, {"ids": list(ids)})]


def lock_deliveries_of(ids: Sequence[UUID]) -> list[UUID]:
    """Lock the deliveries of these events and return those that were not locked."""
    return [row[0] for row in run(LOCK_DELIVERIES, {"ids": list(ids)})]


# Reader: replays from the archive. Index: the primary key.
SHARE_ARCHIVE = "SELECT key FROM delivery_archive WHERE id = %(id)s FOR SHARE"


def share_archive(archive_id: UUID) -> str | None:
    """Return the key of an object, which no erasure changes until the transaction ends; None: there is no such row."""
    rows = run(SHARE_ARCHIVE, {"id": archive_id})
    return str(rows[0][0]) if rows else None


class ArchivedEvent(NamedTuple):
    """An event as it is stored. ``body``: its structured JSON, as it is signed and sent."""

    id: UUID
    tenant_id: UUID
    created_at: datetime
    source: str
    event_id: str
    type: str
    subject: str | None
    digest: bytes
    traceparent: str | None
    payload_deleted_at: datetime | None
    payload_deleted_by: str | None
    about: UUID | None
    grant_id: UUID | None
    body: bytes


class ArchivedDelivery(NamedTuple):
    """A delivery of an event, with its end."""

    id: UUID
    event_id: UUID
    endpoint_id: UUID
    state: str
    created_at: datetime
    replay_id: UUID | None
    cancelled_at: datetime | None
    cancelled_by: str | None
    superseded_at: datetime | None


class ArchivedAttempt(NamedTuple):
    """One request of a delivery and its result."""

    delivery_id: UUID
    number: int
    started_at: datetime
    duration_ms: int
    status: int | None
    error: str


class ArchivedDeadLetter(NamedTuple):
    """A dead letter of a delivery, with what was done about it."""

    delivery_id: UUID
    id: UUID
    cause: str
    reason: str
    failed_at: datetime
    closed_at: datetime | None
    closed_by: str
    is_discarded: bool
    note: str


# Readers: the archive. Indexes: the primary key, the unique (event, endpoint), attempt_by_delivery,
# dead_letter_by_delivery.
READ_EVENTS = f"""
SELECT {", ".join(ArchivedEvent._fields)} FROM delivery_event WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id
"""
READ_DELIVERIES = f"""
SELECT {", ".join(ArchivedDelivery._fields)} FROM delivery_delivery WHERE event_id = ANY(%(ids)s::uuid[]) ORDER BY id
"""
READ_ATTEMPTS = f"""
SELECT {", ".join(ArchivedAttempt._fields)} FROM delivery_attempt
 WHERE delivery_id = ANY(%(ids)s::uuid[]) ORDER BY delivery_id, id
"""
READ_DEAD_LETTERS = f"""
SELECT {", ".join(ArchivedDeadLetter._fields)} FROM delivery_deadletter
 WHERE delivery_id = ANY(%(ids)s::uuid[]) ORDER BY delivery_id, id
"""


def read_events(ids: Sequence[UUID]) -> list[ArchivedEvent]:
    """Return these events, oldest first."""
    return [ArchivedEvent(*row) for row in run(READ_EVENTS, {"ids": list(ids)})]


def read_deliveries(events: Sequence[UUID]) -> list[ArchivedDelivery]:
    """Return the deliveries of these events, oldest first."""
    return [ArchivedDelivery(*row) for row in run(READ_DELIVERIES, {"ids": list(events)})]


def read_attempts(deliveries: Sequence[UUID]) -> list[ArchivedAttempt]:
    """Return the attempts of these deliveries, oldest first."""
    return [ArchivedAttempt(*row) for row in run(READ_ATTEMPTS, {"ids": list(deliveries)})]


def read_dead_letters(deliveries: Sequence[UUID]) -> list[ArchivedDeadLetter]:
    """Return the dead letters of these deliveries, oldest first."""
    return [ArchivedDeadLetter(*row) for row in run(READ_DEAD_LETTERS, {"ids": list(deliveries)})]


# Reader: replays from the archive. Indexes: the primary key, the unique (tenant, event_id, source).
RESTORE_EVENTS = """
INSERT INTO delivery_event (id, tenant_id, created_at, source, event_id, type, subject, digest, traceparent, about,
                            grant_id, body)
SELECT e.id, %(tenant)s, e.created_at, e.source, e.event_id, e.type, e.subject, e.digest, e.traceparent, e.about,
       e.grant_id, e.body
  FROM unnest(%(ids)s::uuid[], %(created)s::timestamptz[], %(sources)s::text[], %(event_ids)s::text[],
              %(types)s::text[], %(subjects)s::text[], %(digests)s::bytea[], %(traceparents)s::text[],
              %(abouts)s::uuid[], %(grants)s::uuid[], %(bodies)s::bytea[])
           AS e(id, created_at, source, event_id, type, subject, digest, traceparent, about, grant_id, body)
    ON CONFLICT DO NOTHING
RETURNING id
"""
# The columns of an event as the statement names them; tenants, deleted and deleters are not in it.
COLUMNS = (
    "ids tenants created sources event_ids types subjects digests traceparents deleted deleters abouts grants bodies"
)


def restore_events(tenant_id: UUID, rows: Sequence[ArchivedEvent]) -> set[UUID]:
    """Insert events under their old ids, unless one with the same id, or source and id, is there; return which were."""
    values = named_columns(COLUMNS, rows)
    return {row[0] for row in run(RESTORE_EVENTS, {"tenant": tenant_id, **values})}
