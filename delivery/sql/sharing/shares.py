"""Insert pending shares of events, take those that are due, and copy their events into the grantees."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from delivery.models import DeferredFanOut
from delivery.sql.figures.usage import INSERT_USAGE
from webhooks.kit.sql import named_columns, run

MAX_SHARES = 200  # taken at once
MAX_BYTES = 8 * 1024**2  # of the events of these, after which no further one is taken
SHARED = DeferredFanOut.Reason.SHARED
LOCK = 0x77_70_73_68  # advisory lock: one worker copies at a time, so that events keep their order

HAS_DUE_SHARES = "EXISTS (SELECT FROM delivery_pendingshare WHERE due_at <= now())"  # reader: the schedule


class ShareRow(NamedTuple):
    """An event and a grant that names its type. ``due_at``: when the event is delivered; None: now."""

    event_id: UUID
    grant_id: UUID
    due_at: datetime | None


# Reader: publishing, for events whose type a grant names.
INSERT_SHARES = """
INSERT INTO delivery_pendingshare (tenant_id, event_id, grant_id, due_at)
SELECT %(tenant)s, event_id, grant_id, coalesce(due_at, now())
  FROM unnest(%(events)s::uuid[], %(grants)s::uuid[], %(due_at)s::timestamptz[])
       WITH ORDINALITY AS s(event_id, grant_id, due_at, place)
 ORDER BY place
"""


def insert_shares(tenant_id: UUID, rows: Sequence[ShareRow]) -> None:
    """Insert pending shares of events that this transaction inserted, to be copied in this order."""
    run(INSERT_SHARES, {"tenant": tenant_id, **named_columns("events grants due_at", rows)})


TRY_LOCK = "SELECT pg_try_advisory_xact_lock(%(lock)s)"

# Reader: the sharing task. Indexes: pending_share_due, the primary keys. ``before``: bytes of the events before.
TAKE_SHARES = f"""
WITH first AS MATERIALIZED (
    SELECT id, due_at, event_id FROM delivery_pendingshare WHERE due_at <= now()
     ORDER BY due_at, id LIMIT {MAX_SHARES} FOR UPDATE
), sized AS MATERIALIZED (
    SELECT first.id, first.due_at, coalesce(octet_length(e.body), 0) AS bytes
      FROM first LEFT JOIN delivery_event e ON e.id = ANY(ARRAY[first.event_id])
), taken AS MATERIALIZED (
    SELECT id, sum(bytes) OVER (ORDER BY due_at, id) - bytes AS before FROM sized
)
DELETE FROM delivery_pendingshare s USING taken WHERE s.id = ANY(ARRAY[taken.id]) AND taken.before < {MAX_BYTES}
RETURNING s.id, s.event_id, s.grant_id
"""


def take_shares() -> list[tuple[UUID, UUID]]:
    """Delete the first due shares and return event and grant of each, in order; empty if another worker takes some.

    There are at most MAX_SHARES, and their events have MAX_BYTES and those of the last one. Call in the transaction
    that copies the events.
    """
    ((is_locked,),) = run(TRY_LOCK, {"lock": LOCK})
    return [(row[1], row[2]) for row in sorted(run(TAKE_SHARES, {}))] if is_locked else []


class SharedEvent(NamedTuple):
    """An event to copy by a grant that is in force, for a grantee that subscribes. ``pattern``: of the grant."""

    event_id: UUID
    grant_id: UUID
    grantee_id: UUID
    pattern: dict[str, Any] | None
    source: str
    own_id: str
    type: str
    subject: str | None
    body: bytes


# Reader: the sharing task. Indexes: the primary keys, subscription_by_grant. Erasing waits for the copy, and then
# erases it too. Events whose delivery was cancelled before its time are left out.
READ_SHARED = """
SELECT e.id, g.id, g.grantee_id, g.pattern, e.source, e.event_id, e.type, e.subject, e.body
  FROM unnest(%(events)s::uuid[], %(grants)s::uuid[]) WITH ORDINALITY AS s(event_id, grant_id, place)
  JOIN delivery_event e ON e.id = ANY(ARRAY[s.event_id])
  JOIN LATERAL (SELECT id, tenant_id, grantee_id, pattern FROM subscriptions_grant
                 WHERE id = s.grant_id AND ended_at IS NULL OFFSET 0) g ON g.tenant_id = e.tenant_id
  JOIN subscriptions_tenant t ON t.id = ANY(ARRAY[g.grantee_id]) AND t.deleted_at IS NULL
 WHERE e.payload_deleted_at IS NULL
   AND EXISTS (SELECT FROM subscriptions_subscription sub
                WHERE sub.grant_id = g.id AND sub.tenant_id = g.grantee_id AND sub.active OFFSET 0)
   AND NOT EXISTS (SELECT FROM delivery_delayedevent w WHERE w.event_id = e.id AND w.state = 'cancelled')
 ORDER BY s.place
   FOR SHARE OF e
"""


def read_shared(shares: Sequence[tuple[UUID, UUID]]) -> list[SharedEvent]:
    """Return the events that are to be copied, in the order of these shares, each an event and a grant."""
    if not shares:
        return []
    return [SharedEvent(*row) for row in run(READ_SHARED, named_columns("events grants", shares))]


class CopyRow(NamedTuple):
    """A copy of an event in a grantee."""

    id: UUID
    tenant_id: UUID
    source: str
    event_id: str
    type: str
    subject: str | None
    digest: bytes
    body: bytes
    about: UUID
    grant_id: UUID


# Reader: the sharing task. The grant is part of the name of a copy, so it is no repeat of an event of the grantee.
INSERT_COPIES = f"""
WITH accepted AS (
    INSERT INTO delivery_event (id, created_at, tenant_id, source, event_id, type, subject, digest, body, about,
                                grant_id)
    SELECT id, clock_timestamp(), tenant_id, source, event_id, type, subject, digest, body, about, grant_id
      FROM unnest(%(ids)s::uuid[], %(tenants)s::uuid[], %(sources)s::text[], %(event_ids)s::text[], %(types)s::text[],
                  %(subjects)s::text[], %(digests)s::bytea[], %(bodies)s::bytea[], %(abouts)s::uuid[],
                  %(grants)s::uuid[])
               AS e(id, tenant_id, source, event_id, type, subject, digest, body, about, grant_id)
        ON CONFLICT (tenant_id, source, event_id) DO NOTHING
    RETURNING id, tenant_id, created_at, type
), deferred AS (
    INSERT INTO delivery_deferredfanout (event_id, tenant_id, reason, is_ordered)
    SELECT id, tenant_id, '{SHARED}', true FROM accepted ORDER BY id
), counted AS (
    {INSERT_USAGE}
    SELECT tenant_id, (created_at AT TIME ZONE 'UTC')::date, type, count(*), 0 FROM accepted GROUP BY 1, 2, 3
)
SELECT count(*) FROM accepted
"""


def insert_copies(rows: Sequence[CopyRow]) -> int:
    """Insert copies and defer their fan-out; return how many were inserted."""
    if not rows:
        return 0
    names = "ids tenants sources event_ids types subjects digests bodies abouts grants"
    ((count,),) = run(INSERT_COPIES, named_columns(names, rows))
    return int(count)
