"""Insert deliveries, with the event or for events that are stored already."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from delivery.models import Delivery
from delivery.sql.figures.usage import INSERT_USAGE
from webhooks.kit.sql import named_columns, run

PENDING, SENDING = Delivery.State.PENDING, Delivery.State.SENDING


class DeliveryRow(NamedTuple):
    """A delivery to insert; without a ``body`` of its own the event's body is sent.

    ``content_type``: of its own body, unless that follows from the body. ``form``: what its own body is.
    """

    id: UUID
    event_id: UUID
    endpoint_id: UUID
    body: bytes | None
    state: str
    order_key: str | None
    content_type: str | None = None
    form: str | None = None


# The one INSERT of deliveries; a WHERE or ON CONFLICT clause follows it. Parameters: delivery_parameters(). The first
# form creates them claimed where CLAIMS, a CTE, has a token for their endpoint.
INSERT_CLAIMED_DELIVERIES = f"""
    INSERT INTO delivery_delivery (id, created_at, tenant_id, event_id, endpoint_id, state, body, order_key,
                                   content_type, form, next_attempt_at, started_at, attempts, step, claims, last_error,
                                   replay_id, token, claimed_until)
    SELECT d.id, clock_timestamp(), %(tenant)s, d.event_id, d.endpoint_id,
           CASE WHEN claim.token IS NULL THEN d.state ELSE '{SENDING}' END, d.body, d.order_key,
           d.content_type, d.form, CASE d.state WHEN '{PENDING}' THEN clock_timestamp() END, clock_timestamp(), 0, 0,
           CASE WHEN claim.token IS NULL THEN 0 ELSE 1 END, '', %(replay)s::uuid,
           claim.token, clock_timestamp() + make_interval(secs => claim.seconds)
      FROM unnest(%(delivery_ids)s::uuid[], %(delivery_events)s::uuid[], %(endpoints)s::uuid[],
                  %(delivery_bodies)s::bytea[], %(states)s::text[], %(order_keys)s::text[], %(content_types)s::text[],
                  %(forms)s::text[], %(claimable)s::bool[])
           WITH ORDINALITY AS d(id, event_id, endpoint_id, body, state, order_key, content_type, form, claimable, place)
      LEFT JOIN claims claim ON claim.endpoint_id = d.endpoint_id AND d.claimable
"""
INSERT_DELIVERIES = INSERT_CLAIMED_DELIVERIES.replace(
    "claims claim ON claim.endpoint_id = d.endpoint_id AND d.claimable",
    "(SELECT NULL::uuid AS token, NULL::float8 AS seconds) claim ON true",
)


def delivery_parameters(
    tenant_id: UUID | None, replay_id: UUID | None, deliveries: Sequence[DeliveryRow]
) -> dict[str, object]:
    """Return the parameters of INSERT_DELIVERIES."""
    names = "delivery_ids delivery_events endpoints delivery_bodies states order_keys content_types forms"
    claimable = [False] * len(deliveries)
    return {"tenant": tenant_id, "replay": replay_id, "claimable": claimable, **named_columns(names, deliveries)}


# Readers: the fan-out task, replays of events. Index: the unique (event, endpoint) of deliveries.
CREATE_DELIVERIES = f"""
WITH created AS (
    {INSERT_DELIVERIES}
        ON CONFLICT (event_id, endpoint_id) DO NOTHING
    RETURNING id, event_id, endpoint_id, state
), counted AS (
    {INSERT_USAGE}
    SELECT %(tenant)s, (now() AT TIME ZONE 'UTC')::date, e.type, 0, count(*)
      FROM created JOIN delivery_event e ON e.id = ANY(ARRAY[created.event_id])
     GROUP BY e.type
)
SELECT id, endpoint_id, state FROM created
"""


def create_deliveries(
    tenant_id: UUID | None, replay_id: UUID | None, rows: Sequence[DeliveryRow]
) -> dict[UUID, tuple[UUID, str]]:
    """Insert deliveries of stored events, except those that exist; return id: (endpoint, state) of the new ones."""
    if not rows:
        return {}
    created = run(CREATE_DELIVERIES, delivery_parameters(tenant_id, replay_id, rows))
    return {key: (endpoint_id, state) for key, endpoint_id, state in created}


# Reader: publishing, after a commit that took long. Index: the primary key.
RESET_DUE_TIMES = f"""
UPDATE delivery_delivery SET next_attempt_at = now() WHERE id = ANY(%(ids)s) AND state = '{PENDING}'
"""


def reset_due_times(delivery_ids: Sequence[UUID]) -> None:
    """Make these deliveries due now, so that no lane's low-water mark is past their due time."""
    run(RESET_DUE_TIMES, {"ids": list(delivery_ids)})
