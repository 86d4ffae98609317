"""Lease partitions that are due, with turns among tenants; every write of a lease is guarded by its token.

A partition that is due is leased by moving ``next_read_at`` into the future and writing a token, so the partition of a
worker that died is due again after ``LEASE_SECONDS``. A pause, a deletion, a seek and a
change of the source clear the token: the reader's next write finds that it has lost the lease, and is rolled back.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from webhooks.kit import sql
from webhooks.kit.caches.bounded_cache import BoundedCache
from webhooks.sources.kinds.kind import ENDED, Lag, Position, SourceUnavailable
from webhooks.wire.ids import new_id

LEASE_SECONDS = 60.0  # longer than any fetch
MAX_PAUSE = 60.0  # seconds between two attempts to read a source that fails
MAX_ERROR_LENGTH = 1000  # characters
MAX_REMEMBERED = 10_000  # tenants whose latest turn a process remembers

# Index: source_partition_next.
HAS_DUE = "EXISTS (SELECT FROM webhooks_sourcepartition WHERE next_read_at <= statement_timestamp())"
_HAS_PROVEN_DUE = HAS_DUE.replace("WHERE", "WHERE last_read_at IS NOT NULL AND failing_since IS NULL AND")

# One lookup in source_partition_due for each owner.
_FIRST_DUE = """
    WITH RECURSIVE first (owner, id, next_read_at) AS (
        (SELECT owner, id, next_read_at FROM webhooks_sourcepartition
          WHERE next_read_at IS NOT NULL ORDER BY owner, next_read_at LIMIT 1)
        UNION ALL
        SELECT following.* FROM first CROSS JOIN LATERAL (
            SELECT owner, id, next_read_at FROM webhooks_sourcepartition
             WHERE next_read_at IS NOT NULL AND owner > first.owner ORDER BY owner, next_read_at LIMIT 1
        ) AS following
    )
    SELECT owner, id FROM first WHERE next_read_at <= statement_timestamp() ORDER BY next_read_at
"""
_LEASE = """
    UPDATE webhooks_sourcepartition
    SET lease_token = %(token)s, next_read_at = statement_timestamp() + make_interval(secs => %(seconds)s::float8)
    WHERE id = (SELECT id FROM webhooks_sourcepartition
                 WHERE id = %(id)s AND next_read_at <= statement_timestamp() FOR UPDATE SKIP LOCKED)
    RETURNING id, source_id, name, position, failures, last_read_at IS NOT NULL AND failing_since IS NULL
"""
# Index: source_partition_due, of which the entries of the owner's partitions that fail are passed over.
_LEASE_PROVEN = """
    UPDATE webhooks_sourcepartition
    SET lease_token = %(token)s, next_read_at = statement_timestamp() + make_interval(secs => %(seconds)s::float8)
    WHERE id = (SELECT id FROM webhooks_sourcepartition
                 WHERE owner = %(owner)s AND next_read_at <= statement_timestamp()
                   AND last_read_at IS NOT NULL AND failing_since IS NULL
                 ORDER BY next_read_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, source_id, name, position, failures, true
"""
_ADVANCE = """
    UPDATE webhooks_sourcepartition
    SET position = %(position)s::jsonb, records = records + %(records)s::bigint,
        last_record_at = statement_timestamp(),
        next_read_at = statement_timestamp() + make_interval(secs => %(seconds)s::float8)
    WHERE id = %(id)s AND lease_token = %(token)s
    RETURNING id
"""
_RELEASE = """
    UPDATE webhooks_sourcepartition
    SET lease_token = NULL, next_read_at = statement_timestamp() + make_interval(secs => %(seconds)s::float8),
        last_read_at = statement_timestamp(),
        position = COALESCE(%(position)s::jsonb, position),
        lag_records = %(lag_records)s::bigint, lag_seconds = %(lag_seconds)s::float8,
        lag_bytes = %(lag_bytes)s::bigint, warning = %(warning)s::text,
        failures = 0, failing_since = NULL, last_error = '', error_setting = ''
    WHERE id = %(id)s AND lease_token = %(token)s
    RETURNING id
"""
_END = """
    WITH ended AS (
        UPDATE webhooks_sourcepartition
        SET lease_token = NULL, next_read_at = NULL, position = %(position)s::jsonb,
            last_read_at = statement_timestamp(), lag_records = 0, lag_seconds = 0, lag_bytes = NULL, warning = '',
            failures = 0, failing_since = NULL, last_error = '', error_setting = ''
        WHERE id = %(id)s AND lease_token = %(token)s
        RETURNING id, source_id
    ), listed AS (
        UPDATE webhooks_sourcepartition AS whole SET next_read_at = statement_timestamp()
        FROM ended
        WHERE whole.source_id = ended.source_id AND whole.name = '' AND whole.next_read_at IS NOT NULL
    )
    SELECT id FROM ended
"""
_FAIL = """
    UPDATE webhooks_sourcepartition
    SET lease_token = NULL, next_read_at = statement_timestamp() + make_interval(secs => %(seconds)s::float8),
        last_read_at = statement_timestamp(),
        failures = failures + 1, failing_since = COALESCE(failing_since, statement_timestamp()),
        last_error = %(error)s::text, error_setting = %(setting)s::text
    WHERE id = %(id)s AND lease_token = %(token)s
    RETURNING failing_since, extract(epoch FROM statement_timestamp() - failing_since)::float8
"""
# Index: source_partition_next.
_BRING_FORWARD = """
    UPDATE webhooks_sourcepartition SET next_read_at = statement_timestamp()
    WHERE next_read_at > statement_timestamp() AND lease_token IS NULL
      AND last_read_at > statement_timestamp() + interval '2 seconds'
    RETURNING id
"""


class LeaseLost(Exception):
    """The partition is not this worker's any more: the lease expired, or the source was paused, deleted or changed."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A partition that this worker reads: where from, and how often reading it has failed since the last success.

    ``is_proven``: whether the last attempt to read it was a success. One that is not may take all the time that there
    is to connect.
    """

    id: UUID
    token: UUID
    source_id: UUID
    partition: str
    position: Position
    failures: int
    owner: UUID
    is_proven: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure to read as it was stored: its sentence, since when reading fails, for how long, and the pause."""

    error: str
    since: datetime
    seconds: float
    again_in: float


_turns = BoundedCache[float](MAX_REMEMBERED)


def lease_next(may_try: Callable[[UUID], bool] = lambda _owner: True) -> Lease | None:
    """Lease the first due partition of the tenant whose turn here is the longest ago; None if none is due.

    ``may_try``: whether a partition of this owner may be leased that is not proven.
    """
    due: list[tuple[UUID, UUID]] = [(owner, id) for owner, id in sql.run(_FIRST_DUE, {})]
    for owner, id in sorted(due, key=lambda it: _turns.get(it[0]) or 0.0):
        token = new_id()
        statement = _LEASE if may_try(owner) else _LEASE_PROVEN
        rows = sql.run(statement, {"owner": owner, "id": id, "token": token, "seconds": LEASE_SECONDS})
        if rows:
            _turns.put(owner, time.monotonic())
            leased, source_id, name, position, failures, is_proven = rows[0]
            return Lease(leased, token, source_id, name, _json(position), failures, owner, is_proven)
    return None


def others_are_due() -> bool:
    """Return whether a partition that is proven is due without a lease; others do not end or shorten a slice."""
    return bool(sql.run(f"SELECT {_HAS_PROVEN_DUE}", {})[0][0])


def advance(lease: Lease, position: Position, records: int) -> None:
    """Store the position behind committed records and extend the lease; in their transaction. Raises LeaseLost."""
    _guarded(_ADVANCE, lease, {"position": orjson.dumps(position).decode(), "records": records}, LEASE_SECONDS)


def release(lease: Lease, lag: Lag, seconds: float) -> None:
    """End a lease after a success; the partition is due again in ``seconds``. Raises LeaseLost."""
    position = None if lag.position is None else orjson.dumps(lag.position).decode()
    values = {"lag_records": lag.records, "lag_seconds": lag.seconds, "lag_bytes": lag.bytes}
    warning = lag.warning.replace("\0", "")[:MAX_ERROR_LENGTH]
    _guarded(_RELEASE, lease, {**values, "warning": warning, "position": position}, seconds)


def end(lease: Lease) -> None:
    """End a lease of a partition that gets no more records; the partitions of its source are listed at once.

    Raises LeaseLost.
    """
    _guarded(_END, lease, {"position": orjson.dumps(ENDED).decode()}, 0.0)


def fail(lease: Lease, error: SourceUnavailable) -> Failure:
    """End a lease after a failure; the seconds until the next attempt double. Raises LeaseLost."""
    seconds = min(2.0 ** min(lease.failures, 10), MAX_PAUSE)
    text = str(error).replace("\0", "")[:MAX_ERROR_LENGTH]
    since, lasted = _guarded(_FAIL, lease, {"error": text, "setting": error.setting[:128]}, seconds)
    return Failure(text, since, lasted, seconds)


def bring_reads_forward() -> int:
    """Make partitions due that were read before the database's clock went back, as their next read lies too far off.

    Returns how many.
    """
    return len(sql.run(_BRING_FORWARD, {}))


def _guarded(statement: str, lease: Lease, values: dict[str, Any], seconds: float) -> tuple[Any, ...]:
    """Return the row that was changed. Raises LeaseLost."""
    rows = sql.run(statement, {**values, "id": lease.id, "token": lease.token, "seconds": seconds})
    if not rows:
        raise LeaseLost
    return rows[0]


def _json(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, (str, bytes)) else value
