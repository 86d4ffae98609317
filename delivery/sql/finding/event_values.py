"""Write the indexed values of events, find events by them, and delete them."""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from webhooks.kit.sql import named_columns, run

DIGEST_BYTES = 16


class ValueRow(NamedTuple):
    """A value of an event at an indexed path."""

    event_id: UUID
    path: str
    digest: bytes


def digest_of(text: str) -> bytes:
    """Return the digest under which a value is stored and looked up."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()[:DIGEST_BYTES]


# Reader: publishing, for event types with indexed paths. Index: the primary key.
INSERT_VALUES = """
INSERT INTO delivery_eventvalue (event_id, path, digest, tenant_id)
SELECT v.event_id, v.path, v.digest, %(tenant)s
  FROM unnest(%(events)s::uuid[], %(paths)s::text[], %(digests)s::bytea[]) AS v(event_id, path, digest)
    ON CONFLICT DO NOTHING
"""


def insert_values(tenant_id: UUID, rows: Sequence[ValueRow]) -> None:
    """Insert the values of events that this transaction inserted."""
    if rows:
        run(INSERT_VALUES, {"tenant": tenant_id, **named_columns("events paths digests", rows)})


# Readers: the filters of lists, the search of the admin. Index: event_value_by_digest, newest first.
FIND_BY_VALUE = """
SELECT v.event_id FROM delivery_eventvalue v
 WHERE v.tenant_id = %(tenant)s AND v.digest = %(digest)s AND v.path = coalesce(%(path)s::text, v.path)
 ORDER BY v.event_id DESC LIMIT %(limit)s
"""


def find_by_value(tenant_id: UUID, text: str, path: str | None, limit: int) -> list[UUID]:
    """Return the newest events of a tenant with this value at an indexed path, or (None) at any."""
    parameters = {"tenant": tenant_id, "digest": digest_of(text), "path": path, "limit": limit}
    return list(dict.fromkeys(row[0] for row in run(FIND_BY_VALUE, parameters)))


# Reader: the search of the admin. Index: the same, once per tenant.
FIND_BY_VALUE_ANYWHERE = """
SELECT found.event_id FROM subscriptions_tenant t
 CROSS JOIN LATERAL (
       SELECT v.event_id FROM delivery_eventvalue v
        WHERE v.tenant_id = t.id AND v.digest = %(digest)s AND v.path = coalesce(%(path)s::text, v.path)
        ORDER BY v.event_id DESC LIMIT %(limit)s) found
 ORDER BY found.event_id DESC LIMIT %(limit)s
"""


def find_by_value_anywhere(text: str, path: str | None, limit: int) -> list[UUID]:
    """Return the newest events of all tenants with this value at an indexed path, or (None) at any."""
    rows = run(FIND_BY_VALUE_ANYWHERE, {"digest": digest_of(text), "path": path, "limit": limit})
    return list(dict.fromkeys(row[0] for row in rows))


# Reader: erasing an event's data. Index: the primary key.
DELETE_VALUES = "DELETE FROM delivery_eventvalue WHERE event_id = ANY(%(events)s::uuid[])"


def delete_values(event_ids: Sequence[UUID]) -> None:
    """Delete the values of these events."""
    run(DELETE_VALUES, {"events": list(event_ids)})
