"""Record attempts in the history of their deliveries and count them by hour; find them; remove recorded responses."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from webhooks.kit.sql import columns, cursor, run


class AttemptRow(NamedTuple):
    """An attempt to insert; ``error`` is empty if it delivered. ``repeats``: reasons, separated by commas."""

    id: UUID
    delivery_id: UUID
    number: int
    started_at: datetime
    duration_ms: int
    status: int | None
    error: str
    response: bytes | None
    repeats: str | None = None


# Reader: the recovery task.
RECORD_ATTEMPTS = """
COPY delivery_attempt (id, created_at, delivery_id, number, started_at, duration_ms, status, error, response,
                       repeats)
FROM STDIN (FORMAT BINARY)
"""
TYPES = ["uuid", "timestamptz", "uuid", "int2", "timestamptz", "int4", "int2", "text", "bytea", "text"]


def record_attempts(rows: Iterable[AttemptRow]) -> None:
    """Insert these attempts. Call in the transaction that changes their deliveries."""
    with cursor() as opened, opened.copy(RECORD_ATTEMPTS) as copy:
        copy.set_types(TYPES)
        for row in rows:
            copy.write_row((row.id, row.started_at, *row[1:]))


# Reader: the drain, after a connection broke in a commit. Index: the primary key.
FIND_ATTEMPTS = "SELECT id FROM delivery_attempt WHERE id = ANY(%(ids)s)"


def find_attempts(ids: Sequence[UUID]) -> set[UUID]:
    """Return those of these attempts that are recorded."""
    return {row[0] for row in run(FIND_ATTEMPTS, {"ids": list(ids)})}


# Reader: erasing an event. Indexes: the unique (event, endpoint) of deliveries, attempt_by_delivery.
DELETE_RESPONSES = """
UPDATE delivery_attempt a SET response = NULL
  FROM delivery_delivery d WHERE d.event_id = %(event)s AND a.delivery_id = d.id AND a.response IS NOT NULL
"""


def delete_responses(event_id: UUID) -> None:
    """Remove the recorded responses of every attempt to deliver this event."""
    run(DELETE_RESPONSES, {"event": event_id})


# Reader: the drain, every few seconds. Index: the unique (endpoint, begins_at). Histograms are added bucket by bucket,
# also when one has more buckets than the other.
ADD_ATTEMPT_STATS = """
INSERT INTO delivery_hourlystats AS hour (endpoint_id, begins_at, attempts, delivered, latencies, last_error,
                                           last_status, last_failed_at)
SELECT h.endpoint_id, h.begins_at, h.attempts, h.delivered, h.latencies::int[], h.last_error, h.last_status,
       h.failed_at
  FROM unnest(%(endpoints)s::uuid[], %(hours)s::timestamptz[], %(attempts)s::int[], %(delivered)s::int[],
              %(latencies)s::text[], %(errors)s::text[], %(statuses)s::int2[], %(failed)s::timestamptz[])
       AS h(endpoint_id, begins_at, attempts, delivered, latencies, last_error, last_status, failed_at)
    ON CONFLICT (endpoint_id, begins_at) DO UPDATE
   SET attempts = hour.attempts + EXCLUDED.attempts,
       delivered = hour.delivered + EXCLUDED.delivered,
       latencies = ARRAY(SELECT coalesce(a, 0) + coalesce(b, 0)
                           FROM unnest(hour.latencies, EXCLUDED.latencies) WITH ORDINALITY AS both_sides(a, b, place)
                          ORDER BY place),
       last_error = CASE WHEN EXCLUDED.last_failed_at IS NULL THEN hour.last_error ELSE EXCLUDED.last_error END,
       last_status = CASE WHEN EXCLUDED.last_failed_at IS NULL THEN hour.last_status ELSE EXCLUDED.last_status END,
       last_failed_at = coalesce(EXCLUDED.last_failed_at, hour.last_failed_at)
"""
STATS_PARAMETERS = ("endpoints", "hours", "attempts", "delivered", "latencies", "errors", "statuses", "failed")


def add_attempt_stats(rows: Sequence[Sequence[Any]]) -> None:
    """Add rows (endpoint, hour, attempts, delivered, histogram as an array literal, last error, status, time)."""
    run(ADD_ATTEMPT_STATS, dict(zip(STATS_PARAMETERS, columns(rows, len(STATS_PARAMETERS)), strict=True)))
