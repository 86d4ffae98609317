"""Replay: make dead and finished deliveries pending again, and create deliveries for past events.

A replay sets the retry plan back to its start (``step``), keeps the number of attempts, and never sends twice what
was requested once: each statement is guarded by the state it changes. The delivery's row stays, so its bytes and its
`webhook-id` (the event's id) stay too; only a failed transformation is rendered again.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from delivery.models import Delivery
from delivery.sql.publish import INSERT_DELIVERIES, INSERT_USAGE, DeliveryRow, delivery_parameters
from webhooks.kit.sql import columns, run

PENDING, DEAD = Delivery.State.PENDING, Delivery.State.DEAD
DELIVERED, CANCELLED = Delivery.State.DELIVERED, Delivery.State.CANCELLED

# Readers: replays of dead letters and of events. Indexes: the primary keys.
REPLAY_DEAD_LETTERS = f"""
WITH closed AS (
    UPDATE delivery_deadletter l SET replayed_at = now(), replayed_by = %(by)s, replay_id = %(replay)s
      FROM unnest(%(letters)s::uuid[], %(bodies)s::bytea[]) AS r(id, body)
     WHERE l.id = r.id AND l.replayed_at IS NULL
    RETURNING l.delivery_id, r.body
)
UPDATE delivery_delivery d
   SET state = '{PENDING}', next_attempt_at = clock_timestamp(), step = 0, claims = 0, started_at = clock_timestamp(),
       replay_id = %(replay)s, body = coalesce(closed.body, d.body)
  FROM closed
 WHERE d.id = closed.delivery_id AND d.state = '{DEAD}'
RETURNING d.endpoint_id
"""


def replay_dead_letters(replay_id: UUID, by: str, letters: Sequence[tuple[UUID, bytes | None]]) -> list[UUID]:
    """Close these dead letters and make their deliveries pending; return the endpoint of each delivery.

    ``letters``: ids, each with a new body or None. ``by``: who requested the replay.
    """
    ids, bodies = columns(letters, 2)
    return [
        row[0] for row in run(REPLAY_DEAD_LETTERS, {"replay": replay_id, "by": by, "letters": ids, "bodies": bodies})
    ]


# Reader: replays of events. Index: the primary key.
REPLAY_FINISHED = f"""
UPDATE delivery_delivery
   SET state = '{PENDING}', next_attempt_at = clock_timestamp(), step = 0, claims = 0,
       started_at = clock_timestamp(), replay_id = %(replay)s,
       cancelled_at = NULL, cancelled_by = NULL
 WHERE id = ANY(%(ids)s::uuid[]) AND state IN ('{DELIVERED}', '{CANCELLED}') AND started_at <= %(requested_at)s
RETURNING endpoint_id
"""


def replay_finished(replay_id: UUID, delivery_ids: Sequence[UUID], requested_at: datetime) -> list[UUID]:
    """Make delivered and cancelled deliveries pending that were last started before the replay was requested.

    Returns the endpoint of each delivery that changed.
    """
    parameters = {"replay": replay_id, "ids": list(delivery_ids), "requested_at": requested_at}
    return [row[0] for row in run(REPLAY_FINISHED, parameters)]


# Reader: replays of events. Index: the unique (event, endpoint) of deliveries.
CREATE_DELIVERIES = f"""
WITH created AS (
    {INSERT_DELIVERIES}
        ON CONFLICT (event_id, endpoint_id) DO NOTHING
    RETURNING id, event_id, endpoint_id, state
), counted AS (
    {INSERT_USAGE}
    SELECT %(tenant)s, (now() AT TIME ZONE 'UTC')::date, e.type, 0, count(*)
      FROM created JOIN delivery_event e ON e.id = created.event_id
     GROUP BY e.type
)
SELECT id, endpoint_id, state FROM created
"""


def create_deliveries(
    tenant_id: UUID | None, replay_id: UUID, rows: Sequence[DeliveryRow]
) -> dict[UUID, tuple[UUID, str]]:
    """Insert deliveries of past events, except those that exist; return id: (endpoint, state) of the new ones."""
    created = run(CREATE_DELIVERIES, delivery_parameters(tenant_id, replay_id, rows))
    return {key: (endpoint_id, state) for key, endpoint_id, state in created}
