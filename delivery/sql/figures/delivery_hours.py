"""Count what became of the deliveries that were created in an hour, from the rows that sending has written anyway."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from delivery.models import Delivery
from webhooks.kit.sql import named_columns, run

THROTTLED = "status = 429 OR error = 'throttled'"
LAST_HOUR = "date_trunc('hour', now() - interval '10 minutes', 'UTC') - interval '2 hours'"  # over for 70 minutes
SECOND_AFTER = "interval '4 days'"  # longer than the default retry plan (75 hours)

# Reader: the schedule. Indexes: the primary key, delivery_hour_to_count.
HAS_HOURS_TO_COUNT = f"""(NOT EXISTS (SELECT FROM delivery_countedhour WHERE begins_at >= {LAST_HOUR})
    OR EXISTS (SELECT FROM delivery_countedhour WHERE passes < 2 AND due_at <= now()))"""
# Reader: the count. Index: the primary key. Hours before the first one are not counted.
INSERT_HOURS = f"""
INSERT INTO delivery_countedhour (begins_at, passes, due_at)
SELECT hour, 0, now() FROM generate_series(
    coalesce((SELECT greatest(max(begins_at) + interval '1 hour', {LAST_HOUR} - interval '1 day')
                FROM delivery_countedhour HAVING count(*) > 0), {LAST_HOUR}),
    {LAST_HOUR}, interval '1 hour') AS hour
    ON CONFLICT (begins_at) DO NOTHING
"""
# Reader: the count. Index: delivery_hour_to_count.
NEXT_HOUR = """
SELECT begins_at, passes, after FROM delivery_countedhour WHERE passes < 2 AND due_at <= now()
 ORDER BY due_at, begins_at LIMIT 1
"""
# Reader: the count. Index: figures_by_period.
NEXT_TENANT = """
SELECT tenant_id FROM delivery_figures
 WHERE length = 60 AND begins_at = %(hour)s AND scope = 'tenant' AND deliveries > 0
   AND tenant_id > coalesce(%(after)s::uuid, '00000000-0000-0000-0000-000000000000')
 ORDER BY tenant_id LIMIT 1
"""
# Reader: the count. Index: the primary key. Of two processes only the first moves the cursor, and writes its rows.
MOVE_ON = """
UPDATE delivery_countedhour SET after = %(tenant)s
 WHERE begins_at = %(hour)s AND passes = %(passes)s AND after IS NOT DISTINCT FROM %(after)s::uuid
RETURNING begins_at
"""
FINISH_PASS = f"""
UPDATE delivery_countedhour SET passes = passes + 1, after = NULL, due_at = begins_at + {SECOND_AFTER}
 WHERE begins_at = %(hour)s AND passes = %(passes)s
"""


class HourToCount(NamedTuple):
    """An hour to count. ``passes``: how often it was. ``after``: the last tenant that this pass has counted."""

    begins_at: datetime
    passes: int
    after: UUID | None


def insert_hours() -> None:
    """Insert the hours that are over and not known yet."""
    run(INSERT_HOURS, {})


def next_hour() -> HourToCount | None:
    """Return the first hour that is due; None: none is."""
    rows = run(NEXT_HOUR, {})
    return HourToCount(*rows[0]) if rows else None


def next_tenant(hour: HourToCount) -> UUID | None:
    """Return the next tenant with deliveries of this hour; None: all are counted."""
    rows = run(NEXT_TENANT, {"hour": hour.begins_at, "after": hour.after})
    return rows[0][0] if rows else None


def move_on(hour: HourToCount, tenant_id: UUID) -> bool:
    """Record that a tenant is counted; return False if another process did. Call in the transaction of its rows."""
    parameters = {"hour": hour.begins_at, "passes": hour.passes, "after": hour.after, "tenant": tenant_id}
    return bool(run(MOVE_ON, parameters))


def finish_pass(hour: HourToCount) -> None:
    """Record that all tenants of an hour are counted."""
    run(FINISH_PASS, {"hour": hour.begins_at, "passes": hour.passes})


# Buckets: numbers of bounds below the milliseconds, as ``bisect_left`` counts; -1: no such time.
def _bucket(since: str, until: str) -> str:
    milliseconds = f"ceil(extract(epoch FROM {until} - {since}) * 1000)"
    bucket = f"least(width_bucket({milliseconds}::float8 - 1, %(bounds)s::float8[]), %(last)s)"
    return f"CASE WHEN {until} IS NULL THEN -1 ELSE {bucket} END"


# Readers: the count. Indexes: delivery_by_tenant, from the first key of the hour to its last; attempt_by_delivery, the
# primary key of events.
_CREATED = """created AS MATERIALIZED (
    SELECT id, event_id, endpoint_id, state, created_at FROM delivery_delivery
     WHERE tenant_id = %(tenant)s AND id >= %(first_key)s AND id < %(last_key)s"""
_COUNTED = f"""
), counted AS MATERIALIZED (
    SELECT d.id, d.endpoint_id, d.event_id, e.type, (d.state = '{Delivery.State.DELIVERED}')::int AS delivered,
           (d.state = '{Delivery.State.DEAD}')::int AS dead, a.attempts, greatest(a.attempts - 1, 0) AS retries,
           a.throttled, a.failed, {_bucket("d.created_at", "a.began_at")} AS first_attempt,
           {_bucket("d.created_at", "a.delivered_at")} AS delivery
      FROM created d
     CROSS JOIN LATERAL (SELECT type FROM delivery_event WHERE id = d.event_id OFFSET 0) e
     CROSS JOIN LATERAL (
           SELECT count(*) AS attempts, count(*) FILTER (WHERE {THROTTLED}) AS throttled,
                  count(*) FILTER (WHERE error <> '') AS failed, min(started_at) AS began_at,
                  min(started_at + duration_ms * interval '1 millisecond') FILTER (WHERE error = '') AS delivered_at
             FROM delivery_attempt WHERE delivery_id = ANY(ARRAY[d.id])) a
)"""
COUNT_BY_TYPE = f"""WITH {_CREATED}{_COUNTED}
SELECT endpoint_id, type, first_attempt, delivery, count(*), sum(attempts)::int8, sum(retries)::int8,
       sum(throttled)::int8, sum(failed)::int8, sum(delivered)::int8, sum(dead)::int8
  FROM counted GROUP BY endpoint_id, type, first_attempt, delivery
"""
COUNT_EACH = f"""WITH {_CREATED}
       AND endpoint_id = ANY(%(endpoints)s::uuid[]) ORDER BY id LIMIT %(limit)s{_COUNTED}
SELECT c.endpoint_id, c.type, c.first_attempt, c.delivery, 1::int8, c.attempts, c.retries, c.throttled, c.failed,
       c.delivered::int8, c.dead::int8, c.id,
       CASE WHEN EXISTS (SELECT FROM unnest(%(endpoints)s::uuid[], %(types)s::text[]) AS chosen(endpoint_id, type)
                          WHERE chosen.endpoint_id = c.endpoint_id AND chosen.type = c.type)
            THEN (SELECT body FROM delivery_event WHERE id = c.event_id) END
  FROM counted c ORDER BY c.id
"""


class Counted(NamedTuple):
    """Deliveries to one endpoint of one type, of which the first attempt and the success fall into the same buckets."""

    endpoint_id: UUID
    type: str
    first_attempt: int
    delivery: int
    created: int
    attempts: int
    retries: int
    throttled: int
    failed: int
    delivered: int
    dead: int


class CountedDelivery(NamedTuple):
    """A delivery by itself. ``body``: of its event; None if its endpoint and type were not asked for."""

    id: UUID
    counted: Counted
    body: bytes | None


class HourOfTenant(NamedTuple):
    """Where the deliveries of an hour are, and the bounds of the buckets in milliseconds."""

    tenant: UUID
    first_key: UUID
    last_key: UUID
    bounds: Sequence[float]


def count_by_type(of: HourOfTenant) -> list[Counted]:
    """Count the deliveries of a tenant that were created in an hour, by endpoint and event type."""
    return [Counted(*row) for row in run(COUNT_BY_TYPE, _parameters(of))]


def count_each(of: HourOfTenant, groups: Sequence[tuple[UUID, str]], limit: int) -> list[CountedDelivery]:
    """Return the first deliveries to the endpoints of these groups, each by itself, at most ``limit``."""
    parameters = {**_parameters(of), **named_columns("endpoints types", groups), "limit": limit}
    return [CountedDelivery(row[-2], Counted(*row[:-2]), row[-1]) for row in run(COUNT_EACH, parameters)]


def _parameters(of: HourOfTenant) -> dict[str, Any]:
    return {**of._asdict(), "bounds": [float(it) for it in of.bounds], "last": len(of.bounds) - 1}


# Reader: the count. Index: unique_delivery_hour_per_scope. A second pass finds fewer deliveries if retention or an
# erasure has deleted some: then the first stays.
WRITE_HOURS = """
INSERT INTO delivery_deliveryhour AS h (scope_id, tenant_id, begins_at, matched, created, attempts, retries, throttled,
                                        failed, delivered, dead, first_attempts, deliveries)
SELECT n.scope_id, %(tenant)s, %(hour)s, n.matched, n.created, n.attempts, n.retries, n.throttled, n.failed,
       n.delivered, n.dead, n.first_attempts::int8[], n.deliveries::int8[]
  FROM unnest(%(scopes)s::uuid[], %(matched)s::int8[], %(created)s::int8[], %(attempts)s::int8[], %(retries)s::int8[],
              %(throttled)s::int8[], %(failed)s::int8[], %(delivered)s::int8[], %(dead)s::int8[],
              %(first_attempts)s::text[], %(deliveries)s::text[])
           AS n(scope_id, matched, created, attempts, retries, throttled, failed, delivered, dead, first_attempts,
                deliveries)
 ORDER BY n.scope_id
    ON CONFLICT (scope_id, begins_at) DO UPDATE
   SET matched = EXCLUDED.matched, created = EXCLUDED.created, attempts = EXCLUDED.attempts, retries = EXCLUDED.retries,
       throttled = EXCLUDED.throttled, failed = EXCLUDED.failed, delivered = EXCLUDED.delivered, dead = EXCLUDED.dead,
       first_attempts = EXCLUDED.first_attempts, deliveries = EXCLUDED.deliveries
 WHERE EXCLUDED.created >= h.created
"""
ROW = "scopes matched created attempts retries throttled failed delivered dead first_attempts deliveries"


def write_hours(tenant_id: UUID, hour: datetime, rows: Sequence[Sequence[Any]]) -> None:
    """Write the counts of endpoints and subscriptions in one hour; a row has the values of ROW."""
    if rows:
        run(WRITE_HOURS, {"tenant": tenant_id, "hour": hour, **named_columns(ROW, rows)})
