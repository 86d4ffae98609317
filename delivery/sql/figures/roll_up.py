"""Roll the hours that are over up into days, and delete figures at the end of their retention.

The day of a changed hour is computed anew from all its hours, so a rollup may be repeated, and counts that come late
are not missed: adding to an hour clears its ``rolled_up``.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from webhooks.kit.sql import named_columns, run

# Reader: the schedule. Indexes: hourly_stats_to_roll_up, figures_to_roll_up. The hour is over for half an hour: what
# drains have counted is written.
IS_OVER = "begins_at < date_trunc('hour', now() - interval '30 minutes')"
HAS_HOURS_TO_ROLL_UP = f"""(EXISTS (SELECT FROM delivery_hourlystats WHERE NOT rolled_up AND {IS_OVER})
                     OR EXISTS (SELECT FROM delivery_figures
                                WHERE length = 60 AND scope <> 'endpoint' AND NOT rolled_up AND {IS_OVER}))"""


class Hour(NamedTuple):
    """An hour to roll up: its row, its scope, and the day (UTC) that it is in."""

    id: int
    scope: str
    scope_id: UUID
    tenant_id: UUID | None
    day: datetime


# Reader: the rollup. Index: hourly_stats_to_roll_up. Locked, so that nothing is added until the day is written.
LOCK_ENDPOINT_HOURS = f"""
WITH hours AS MATERIALIZED (
    SELECT id, endpoint_id, date_trunc('day', begins_at, 'UTC') AS day FROM delivery_hourlystats
     WHERE NOT rolled_up AND {IS_OVER}
     ORDER BY begins_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
)
SELECT h.id, 'endpoint', h.endpoint_id, e.tenant_id, h.day FROM hours h
  LEFT JOIN LATERAL (SELECT tenant_id FROM subscriptions_endpoint WHERE id = h.endpoint_id OFFSET 0) e ON true
"""
# Reader: the rollup. Index: figures_to_roll_up.
LOCK_OTHER_HOURS = f"""
SELECT id, scope, scope_id, tenant_id, date_trunc('day', begins_at, 'UTC') FROM delivery_figures
 WHERE length = 60 AND scope <> 'endpoint' AND NOT rolled_up AND {IS_OVER}
 ORDER BY begins_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
"""

# Reader: the rollup. Indexes: unique_hour_per_endpoint, or unique_figures_per_scope_and_period; of dead letters
# dead_letter_by_endpoint, dead_letter_by_tenant or the primary key, from the first key of the day to its last.
_OF_DAY = "begins_at >= d.day AND begins_at < d.day + interval '1 day'"
_OTHER_HOURS = f"delivery_figures WHERE scope_id = d.scope_id AND length = 60 AND {_OF_DAY}"


def _write_days(hours: str, of_scope: str, events: str = "sum(events)", deliveries: str = "sum(deliveries)") -> str:
    """Return the statement; ``hours`` is a table with a condition, which each of its subqueries reads."""
    table, _, condition = hours.partition(" WHERE ")
    hours = f"(SELECT * FROM {table} WHERE {condition}) h"
    return f"""
WITH days AS MATERIALIZED (
    SELECT * FROM unnest(%(scopes)s::text[], %(scope_ids)s::uuid[], %(tenants)s::uuid[], %(days)s::timestamptz[],
                         %(first_keys)s::uuid[], %(last_keys)s::uuid[])
           AS d(scope, scope_id, tenant_id, day, first_key, last_key)
)
INSERT INTO delivery_figures AS f (scope, scope_id, tenant_id, length, begins_at, events, deliveries, attempts,
                                   delivered, rejected, dead_letters, latencies, failures, pending, open_dead_letters,
                                   rolled_up)
SELECT d.scope, d.scope_id, d.tenant_id, 1440, d.day, hours.events, hours.deliveries, hours.attempts, hours.delivered,
       hours.rejected, dead.letters, coalesce(histogram.latencies, '{{}}'), coalesce(kinds.failures, '{{}}'),
       gauges.pending, gauges.open_dead_letters, true
  FROM days d
 CROSS JOIN LATERAL (
       SELECT {events} AS events, {deliveries} AS deliveries, sum(attempts) AS attempts, sum(delivered) AS delivered,
              sum(rejected) AS rejected FROM {hours}) hours
 CROSS JOIN LATERAL (
       SELECT array_agg(number ORDER BY place) AS latencies
         FROM (SELECT place, sum(number)::int8 AS number
                 FROM {hours} CROSS JOIN LATERAL unnest(latencies) WITH ORDINALITY AS bucket(number, place)
                GROUP BY place) summed) histogram
 CROSS JOIN LATERAL (
       SELECT jsonb_object_agg(kind, number) AS failures
         FROM (SELECT kind, sum(number::int8) AS number
                 FROM {hours} CROSS JOIN LATERAL jsonb_each_text(failures) AS failed(kind, number)
                GROUP BY kind) summed) kinds
 CROSS JOIN LATERAL (
       SELECT count(*) AS letters FROM delivery_deadletter
        WHERE {of_scope} id >= d.first_key AND id < d.last_key) dead
  LEFT JOIN LATERAL (
       SELECT g.pending, g.open_dead_letters FROM delivery_figures g
        WHERE g.scope_id = d.scope_id AND g.length = 60 AND g.begins_at >= d.day
          AND g.begins_at < d.day + interval '1 day' AND g.pending IS NOT NULL
        ORDER BY g.begins_at DESC LIMIT 1) gauges ON true
 ORDER BY d.scope_id, d.day
    ON CONFLICT (scope_id, length, begins_at) DO UPDATE
   SET events = EXCLUDED.events, deliveries = EXCLUDED.deliveries, attempts = EXCLUDED.attempts,
       delivered = EXCLUDED.delivered, rejected = EXCLUDED.rejected, dead_letters = EXCLUDED.dead_letters,
       latencies = EXCLUDED.latencies, failures = EXCLUDED.failures, pending = EXCLUDED.pending,
       open_dead_letters = EXCLUDED.open_dead_letters
"""


WRITE_ENDPOINT_DAYS = _write_days(
    f"delivery_hourlystats WHERE endpoint_id = d.scope_id AND {_OF_DAY}", "endpoint_id = d.scope_id AND", "0", "0"
)
WRITE_TENANT_DAYS = _write_days(_OTHER_HOURS, "tenant_id = d.scope_id AND")
WRITE_PLATFORM_DAYS = _write_days(_OTHER_HOURS, "")
WRITE_DAYS = {"endpoint": WRITE_ENDPOINT_DAYS, "tenant": WRITE_TENANT_DAYS, "platform": WRITE_PLATFORM_DAYS}


class Day(NamedTuple):
    """A day to compute, with the first key of a row written in it, and the first one after it."""

    scope: str
    scope_id: UUID
    tenant_id: UUID | None
    day: datetime
    first_key: UUID
    last_key: UUID


def lock_endpoint_hours(limit: int) -> list[Hour]:
    """Lock up to ``limit`` hours of endpoints that are over and not rolled up. Call in a transaction."""
    return [Hour(*row) for row in run(LOCK_ENDPOINT_HOURS, {"limit": limit})]


def lock_other_hours(limit: int) -> list[Hour]:
    """Lock up to ``limit`` hours of tenants and of the platform, likewise."""
    return [Hour(*row) for row in run(LOCK_OTHER_HOURS, {"limit": limit})]


def write_days(days: Sequence[Day]) -> None:
    """Compute these days from their hours."""
    for scope, statement in WRITE_DAYS.items():
        of_scope = [it for it in days if it.scope == scope]
        if of_scope:
            run(statement, named_columns("scopes scope_ids tenants days first_keys last_keys", of_scope))


# Reader: the rollup. Index: the primary key.
MARK_ENDPOINT_HOURS = "UPDATE delivery_hourlystats SET rolled_up = true WHERE id = ANY(%(ids)s::int8[])"
MARK_OTHER_HOURS = "UPDATE delivery_figures SET rolled_up = true WHERE id = ANY(%(ids)s::int8[])"


def mark_rolled_up(endpoint_hours: Sequence[Hour], other_hours: Sequence[Hour]) -> None:
    """Mark these hours as rolled up."""
    run(MARK_ENDPOINT_HOURS, {"ids": [it.id for it in endpoint_hours]})
    run(MARK_OTHER_HOURS, {"ids": [it.id for it in other_hours]})


# Reader: the rollup. Index: figures_by_period. An hour stays until it is rolled up.
DELETE_OLD = """
WITH old AS (
    SELECT id FROM delivery_figures
     WHERE (length = 5 AND begins_at < now() - interval '3 hours')
        OR (length = 60 AND begins_at < now() - interval '62 days')
        OR (length = 1440 AND begins_at < now() - interval '3660 days')
     LIMIT %(limit)s
), deleted AS (
    DELETE FROM delivery_figures f USING old WHERE f.id = ANY(ARRAY[old.id]) RETURNING 1
)
SELECT count(*) FROM deleted
"""


def delete_old_figures(limit: int) -> int:
    """Delete up to ``limit`` figures past their retention (3 hours, 62 days, 10 years); return how many."""
    ((count,),) = run(DELETE_OLD, {"limit": limit})
    return int(count)
