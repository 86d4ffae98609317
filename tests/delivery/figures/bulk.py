"""Insert many deliveries by SQL, as fast as the tables take them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from delivery.reading.queries import place
from webhooks.kit.sql import run

INSERT = """
INSERT INTO delivery_delivery (id, created_at, tenant_id, event_id, endpoint_id, state, next_attempt_at, attempts, step,
                               claims, started_at, last_error, last_status)
SELECT overlay(%(first)s::text placing right(gen_random_uuid()::text, 20) from 17)::uuid, %(at)s::timestamptz,
       %(tenant)s::uuid, gen_random_uuid(), %(endpoint)s::uuid, %(state)s::text,
       CASE WHEN %(state)s::text = 'pending' THEN %(due)s::timestamptz END, 0, 0, 0, %(at)s::timestamptz, '', NULL
  FROM generate_series(1, %(number)s::int)
"""
DEAD_LETTERS = """
INSERT INTO delivery_deadletter (id, created_at, delivery_id, endpoint_id, tenant_id, cause, reason, last_error,
                                 attempts, failed_at, closed_by)
SELECT webhooks_uuid7(), %(at)s::timestamptz, id, endpoint_id, tenant_id, %(cause)s::text, '', 'status', 1,
       %(at)s::timestamptz, ''
  FROM delivery_delivery WHERE endpoint_id = ANY(%(endpoints)s::uuid[]) AND state = 'dead'
"""


def insert_deliveries(
    tenant_id: UUID, endpoint_id: UUID, state: str, number: int, at: datetime, due: datetime | None = None
) -> None:
    """Insert deliveries to one endpoint in one state, created then, and due then if they are pending."""
    parameters = {
        "first": str(place(at)),
        "at": at,
        "tenant": tenant_id,
        "endpoint": endpoint_id,
        "state": state,
        "due": due or at,
        "number": number,
    }
    run(INSERT, parameters)


def insert_dead_letters(endpoint_ids: Sequence[UUID], at: datetime, cause: str = "exhausted") -> None:
    """Insert an open dead letter for each dead delivery of these endpoints."""
    run(DEAD_LETTERS, {"endpoints": list(endpoint_ids), "at": at, "cause": cause})
