"""Measure what waits for each endpoint, and keep it as a gauge of the period."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.models import PLATFORM, Delivery
from subscriptions.models import Endpoint
from webhooks.kit.sql import named_columns, run

PENDING, ACTIVE = Delivery.State.PENDING, Endpoint.State.ACTIVE

# Reader: the schedule. Indexes: lane_due, lane_endpoint_inactive; the table of the backlog has a row an endpoint.
HAS_BACKLOG = """(EXISTS (SELECT FROM delivery_lane WHERE due_at IS NOT NULL)
                 OR EXISTS (SELECT FROM delivery_lane WHERE endpoint_inactive)
                 OR EXISTS (SELECT FROM delivery_backlog WHERE pending > 0 OR open_dead_letters > 0))"""


class BacklogRow(NamedTuple):
    """Count what waits for one endpoint. Deliveries of an inactive endpoint wait, but are not due.

    ``causes``: open dead letters by cause, as JSON.
    """

    endpoint_id: UUID
    tenant_id: UUID
    pending: int
    due: int
    oldest_due_at: datetime | None
    open_dead_letters: int
    causes: str


# Reader: the measurement. Indexes: delivery_due and dead_letter_open_by_endpoint, which contain only what is counted;
# the primary key of endpoints.
MEASURE = f"""
WITH waiting AS MATERIALIZED (
    SELECT endpoint_id, count(*) AS pending, count(*) FILTER (WHERE next_attempt_at <= now()) AS due,
           min(next_attempt_at) AS oldest
      FROM delivery_delivery WHERE state = '{PENDING}' GROUP BY endpoint_id
), dead AS MATERIALIZED (
    SELECT endpoint_id, sum(number) AS letters, jsonb_object_agg(cause, number) AS causes
      FROM (SELECT endpoint_id, cause, count(*) AS number FROM delivery_deadletter
             WHERE closed_at IS NULL AND acknowledged_at IS NULL
             GROUP BY endpoint_id, cause) by_cause
     GROUP BY endpoint_id
), counted AS MATERIALIZED (
    SELECT endpoint_id, sum(pending)::int8 AS pending, sum(due)::int8 AS due, min(oldest) AS oldest,
           sum(letters)::int8 AS letters,
           (array_agg(causes) FILTER (WHERE causes IS NOT NULL))[1] AS causes
      FROM (SELECT endpoint_id, pending, due, oldest, 0 AS letters, NULL AS causes FROM waiting
             UNION ALL
            SELECT endpoint_id, 0, 0, NULL, letters, causes FROM dead) both_kinds
     GROUP BY endpoint_id
)
SELECT c.endpoint_id, e.tenant_id, c.pending, CASE WHEN e.is_active THEN c.due ELSE 0 END,
       CASE WHEN e.is_active AND c.oldest <= now() THEN c.oldest END, c.letters, coalesce(c.causes, '{{}}')::text
  FROM counted c
 CROSS JOIN LATERAL (
       SELECT tenant_id, state = '{ACTIVE}' AND deleted_at IS NULL AS is_active
         FROM subscriptions_endpoint WHERE id = ANY(ARRAY[c.endpoint_id])) e
 ORDER BY c.endpoint_id
"""


def measure() -> list[BacklogRow]:
    """Count what waits for each endpoint, in one snapshot; endpoints for which nothing does are left out."""
    return [BacklogRow(*row) for row in run(MEASURE, {})]


# Only measurements change the table, one at a time.
LOCK_BACKLOG = "LOCK TABLE delivery_backlog IN SHARE ROW EXCLUSIVE MODE"
DELETE_BACKLOG = "DELETE FROM delivery_backlog"
INSERT_BACKLOG = """
INSERT INTO delivery_backlog (scope_id, tenant_id, measured_at, pending, due, oldest_due_at, open_dead_letters, causes,
                              seconds)
SELECT scope_id, tenant_id, %(at)s, pending, due, oldest_due_at, letters, causes::jsonb, %(seconds)s
  FROM unnest(%(scope_ids)s::uuid[], %(tenants)s::uuid[], %(pending)s::int8[], %(due)s::int8[],
              %(oldest)s::timestamptz[], %(letters)s::int8[], %(causes)s::text[])
       AS measured(scope_id, tenant_id, pending, due, oldest_due_at, letters, causes)
"""


def lock_backlog() -> None:
    """Wait until no other measurement is written. Call in a transaction."""
    run(LOCK_BACKLOG, {})


def replace_backlog(rows: Sequence[Sequence[object]], at: datetime, seconds: float) -> None:
    """Replace the backlog by these rows (scope, tenant, pending, due, oldest due, open dead letters, their causes)."""
    run(DELETE_BACKLOG, {})
    values = named_columns("scope_ids tenants pending due oldest letters causes", rows)
    run(INSERT_BACKLOG, {"at": at, "seconds": seconds, **values})


# Reader: the measurement, once a minute. Indexes: unique_figures_per_scope_and_period, figures_by_period. Rows of the
# period whose scope no longer has a backlog are set to zero.
WRITE_GAUGES = f"""
WITH measured AS MATERIALIZED (
    SELECT scope, scope_id, tenant_id, pending, letters
      FROM unnest(%(scopes)s::text[], %(scope_ids)s::uuid[], %(tenants)s::uuid[], %(pending)s::int8[],
                  %(letters)s::int8[]) AS m(scope, scope_id, tenant_id, pending, letters)
), periods AS MATERIALIZED (
    SELECT 5::int2 AS length, date_bin('5 minutes', %(at)s::timestamptz, 'epoch'::timestamptz) AS begins_at
     UNION ALL
    SELECT 60::int2, date_trunc('hour', %(at)s::timestamptz, 'UTC')
), ended AS MATERIALIZED (
    SELECT f.id FROM periods p JOIN delivery_figures f ON f.length = p.length AND f.begins_at = p.begins_at
     WHERE (f.pending > 0 OR f.open_dead_letters > 0) AND f.scope_id <> '{PLATFORM}'
       AND f.scope_id NOT IN (SELECT scope_id FROM measured)
     ORDER BY f.scope_id, f.length, f.begins_at FOR NO KEY UPDATE OF f
), zeros AS (
    UPDATE delivery_figures f SET pending = 0, open_dead_letters = 0, rolled_up = false
      FROM ended WHERE f.id = ANY(ARRAY[ended.id])
)
INSERT INTO delivery_figures AS f (scope, scope_id, tenant_id, length, begins_at, pending, open_dead_letters)
SELECT m.scope, m.scope_id, m.tenant_id, p.length, p.begins_at, m.pending, m.letters FROM measured m, periods p
 ORDER BY m.scope_id, p.length, p.begins_at
    ON CONFLICT (scope_id, length, begins_at) DO UPDATE
   SET pending = EXCLUDED.pending, open_dead_letters = EXCLUDED.open_dead_letters, rolled_up = false
"""


def write_gauges(rows: Sequence[Sequence[object]], at: datetime) -> None:
    """Keep these rows (scope, its id, tenant, pending, open dead letters) as the last measured of their periods."""
    run(WRITE_GAUGES, {"at": at, **named_columns("scopes scope_ids tenants pending letters", rows)})
