"""Fold usage increments into daily totals, and read totals with the increments that are not folded yet."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from webhooks.kit.sql import run

# Reader: the usage task. Index: the primary key of increments, the unique key of totals.
FOLD_USAGE = """
WITH folded AS (
    DELETE FROM delivery_usageincrement
     WHERE id IN (SELECT id FROM delivery_usageincrement ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING tenant_id, day, type, events, deliveries
), added AS (
    INSERT INTO delivery_usage AS u (tenant_id, day, type, events, deliveries)
    SELECT tenant_id, day, type, sum(events), sum(deliveries) FROM folded
     GROUP BY tenant_id, day, type ORDER BY tenant_id, day, type
        ON CONFLICT (tenant_id, day, type) DO UPDATE
       SET events = u.events + excluded.events, deliveries = u.deliveries + excluded.deliveries
)
SELECT count(*) FROM folded
"""


def fold_usage(limit: int) -> int:
    """Add up to ``limit`` increments to the daily totals and delete them; return how many."""
    ((count,),) = run(FOLD_USAGE, {"limit": limit})
    return int(count)


# Reader: the monthly quota. Indexes: the unique (tenant, day, type) of totals; increments are few.
EVENTS_SINCE = """
SELECT coalesce((SELECT sum(events) FROM delivery_usage WHERE tenant_id = %(tenant)s AND day >= %(first)s), 0)
     + coalesce((SELECT sum(events) FROM delivery_usageincrement WHERE tenant_id = %(tenant)s AND day >= %(first)s), 0)
"""


def events_since(tenant_id: UUID, first: date) -> int:
    """Return the number of events a tenant has published since the start of this day (UTC)."""
    ((count,),) = run(EVENTS_SINCE, {"tenant": tenant_id, "first": first})
    return int(count)


# Readers: the usage report of the API and of the admin. Indexes: the unique (tenant, day, type) of totals, or
# usage_by_day over all tenants.
REPORT_USAGE = """
WITH counted AS (
    SELECT tenant_id, day, type, events, deliveries FROM delivery_usage
     UNION ALL
    SELECT tenant_id, day, type, events, deliveries FROM delivery_usageincrement
), selected AS (
    SELECT date_trunc(%(granularity)s, day)::date AS day, CASE WHEN %(by_tenant)s THEN tenant_id END AS tenant_id,
           CASE WHEN %(by_type)s THEN type END COLLATE "C" AS type, events, deliveries
      FROM counted
     WHERE day BETWEEN %(first)s AND %(last)s
       AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
       AND (%(type)s::text IS NULL OR type = %(type)s)
       AND (%(prefix)s::text IS NULL OR starts_with(type, %(prefix)s))
)
SELECT day, tenant_id, type, sum(events)::bigint, sum(deliveries)::bigint
  FROM selected
 GROUP BY day, tenant_id, type
HAVING %(after_day)s::date IS NULL
    OR (day, coalesce(tenant_id::text, ''), coalesce(type, ''))
     > (%(after_day)s::date, coalesce(%(after_tenant)s::uuid::text, ''), coalesce(%(after_type)s::text, ''))
 ORDER BY day, coalesce(tenant_id::text, ''), coalesce(type, '')
 LIMIT %(limit)s
"""


def report_usage(parameters: Mapping[str, Any]) -> list[tuple[date, UUID | None, str | None, int, int]]:
    """Return rows (day, tenant, type, events, deliveries) in this order; the parameters are those of REPORT_USAGE."""
    return [(day, tenant, kind, events, count) for day, tenant, kind, events, count in run(REPORT_USAGE, parameters)]
