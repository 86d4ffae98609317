"""Record attempts in the history of their deliveries, find them, and remove recorded responses."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from webhooks.kit.sql import cursor, run


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
    response_headers: bytes | None = None


# Reader: the recovery task.
RECORD_ATTEMPTS = """
COPY delivery_attempt (id, created_at, delivery_id, number, started_at, duration_ms, status, error, response,
                       repeats, response_headers)
FROM STDIN (FORMAT BINARY)
"""
TYPES = ["uuid", "timestamptz", "uuid", "int2", "timestamptz", "int4", "int2", "text", "bytea", "text", "bytea"]


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
UPDATE delivery_attempt a SET response = NULL, response_headers = NULL
  FROM delivery_delivery d
 WHERE d.event_id = %(event)s AND a.delivery_id = ANY(ARRAY[d.id])
   AND (a.response IS NOT NULL OR a.response_headers IS NOT NULL)
"""


def delete_responses(event_id: UUID) -> None:
    """Remove the recorded responses, with their headers, of every attempt to deliver this event."""
    run(DELETE_RESPONSES, {"event": event_id})
