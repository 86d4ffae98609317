"""Fold usage increments into daily totals, and read usage: the totals and the increments not folded yet."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID

from delivery.models import PLATFORM
from delivery.sql.figures.counts import ADD_TO_FIGURES
from webhooks.kit.rows import is_type_prefix
from webhooks.kit.sql import run

# The one INSERT of usage; a SELECT of these columns follows it.
INSERT_USAGE = "INSERT INTO delivery_usageincrement (tenant_id, day, type, events, deliveries)"
# Reader: the schedule. Index: the primary key, from its end: those that are deleted come first.
HAS_INCREMENTS = "(SELECT max(id) IS NOT NULL FROM delivery_usageincrement)"

# Reader: the usage task. Indexes: the primary key of increments, the unique keys of totals and of figures.
FOLD_USAGE = f"""
WITH folded AS (
    DELETE FROM delivery_usageincrement
     WHERE id = ANY(ARRAY(
           SELECT id FROM delivery_usageincrement ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING tenant_id, day, type, events, deliveries, counted_at
), added AS (
    INSERT INTO delivery_usage AS u (tenant_id, day, type, events, deliveries, last_event_at)
    SELECT tenant_id, day, type, sum(events), sum(deliveries), CASE WHEN sum(events) > 0 THEN now() END FROM folded
     GROUP BY tenant_id, day, type ORDER BY tenant_id, day, type
        ON CONFLICT (tenant_id, day, type) DO UPDATE
       SET events = u.events + excluded.events, deliveries = u.deliveries + excluded.deliveries,
           last_event_at = greatest(u.last_event_at, excluded.last_event_at)
), periods AS (
    SELECT 5::int2 AS length, date_bin('5 minutes', counted_at, 'epoch'::timestamptz) AS begins_at, tenant_id, events,
           deliveries FROM folded
     UNION ALL
    SELECT 60::int2, date_trunc('hour', counted_at, 'UTC'), tenant_id, events, deliveries FROM folded
), figures AS (
    INSERT INTO delivery_figures AS f (scope, scope_id, tenant_id, length, begins_at, events, deliveries)
    SELECT CASE WHEN GROUPING(tenant_id) = 1 THEN 'platform' ELSE 'tenant' END, coalesce(tenant_id, '{PLATFORM}'),
           tenant_id, length, begins_at, sum(events), sum(deliveries)
      FROM periods WHERE events > 0 OR deliveries > 0
     GROUP BY GROUPING SETS ((tenant_id, length, begins_at), (length, begins_at)) ORDER BY 2, 4, 5
    {ADD_TO_FIGURES}
)
SELECT count(*) FROM folded
"""


def fold_usage(limit: int) -> int:
    """Add up to ``limit`` increments to the daily totals and to the figures, and delete them; return their number."""
    ((count,),) = run(FOLD_USAGE, {"limit": limit})
    return int(count)


QUOTA_SEED = 402  # so that the key of this advisory lock is that of no other lock of a tenant

# Reader: the monthly quota, near the limit.
LOCK_QUOTA = "SELECT pg_advisory_xact_lock(hashtextextended(%(tenant)s::text, %(seed)s::int8))"


def lock_quota(tenant_id: UUID) -> None:
    """Wait until no other transaction counts against the quota of this tenant, and lock it until this one ends."""
    run(LOCK_QUOTA, {"tenant": str(tenant_id), "seed": QUOTA_SEED})


# Reader: the monthly quota. Index: the unique (tenant, day, type) of totals. The increments are few and need no index.
EVENTS_SINCE = """
SELECT coalesce((SELECT sum(events) FROM delivery_usage WHERE tenant_id = %(tenant)s AND day >= %(first)s), 0)
     + coalesce((SELECT sum(events) FROM delivery_usageincrement WHERE tenant_id = %(tenant)s AND day >= %(first)s), 0)
"""


def events_since(tenant_id: UUID, first: date) -> int:
    """Return the number of events a tenant has published since the beginning of the day ``first`` (UTC)."""
    ((count,),) = run(EVENTS_SINCE, {"tenant": tenant_id, "first": first})
    return int(count)


# Reader: filters by event type. Index: the unique (tenant, day, type) of totals, of which a tenant has a few thousand.
WAS_PUBLISHED = """
SELECT EXISTS (SELECT FROM delivery_usage WHERE tenant_id = %(tenant)s AND type = %(type)s)
    OR EXISTS (SELECT FROM delivery_usageincrement WHERE tenant_id = %(tenant)s AND type = %(type)s)
"""


def was_published(tenant_id: UUID, event_type: str) -> bool:
    """Return whether the tenant ever published an event of this type."""
    ((found,),) = run(WAS_PUBLISHED, {"tenant": tenant_id, "type": event_type})
    return bool(found)


# Reader: the alert rules about event types. Indexes: the unique (tenant, day, type) of totals, usage_by_day.
LAST_PUBLISHED = """
SELECT CASE WHEN EXISTS (SELECT FROM delivery_usageincrement
                          WHERE events > 0 AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
                            AND (%(type)s::text IS NULL OR type = %(type)s)
                            AND (%(prefix)s::text IS NULL OR starts_with(type, %(prefix)s)))
            THEN now()
            ELSE (SELECT max(last_event_at) FROM delivery_usage
                   WHERE day >= %(first)s AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
                     AND (%(type)s::text IS NULL OR type = %(type)s)
                     AND (%(prefix)s::text IS NULL OR starts_with(type, %(prefix)s))) END
"""


def last_published(tenant_id: UUID | None, event_type: str, since: datetime) -> datetime | None:
    """Return when the latest event of a type (``order.*``: of all types below it) was published, to some seconds.

    ``tenant_id``: None for all tenants. None if there was none since the beginning of the day before ``since``.
    """
    prefix = event_type[:-1] if is_type_prefix(event_type) else None
    first = (since - timedelta(days=1)).date()
    parameters = {
        "tenant": tenant_id,
        "type": event_type if prefix is None else None,
        "prefix": prefix,
        "first": first,
    }
    ((moment,),) = run(LAST_PUBLISHED, parameters)
    return cast("datetime | None", moment)


class QuotaUse(NamedTuple):
    """A tenant with the events per month that its plan allows, and those of this month."""

    tenant_id: UUID
    allowed: int
    used: int


# Reader: the operator's alert rules about plans, once a minute. Index: usage_by_day. Increments of the last seconds are
# left out.
TENANTS_NEAR_QUOTA = """
WITH used AS (
    SELECT tenant_id, sum(events) AS events FROM delivery_usage WHERE day >= %(first)s GROUP BY tenant_id
)
SELECT t.id, p.events_per_month, used.events::bigint
  FROM used JOIN subscriptions_tenant t ON t.id = used.tenant_id
  JOIN subscriptions_plan p ON p.id = coalesce(t.plan_id, (SELECT id FROM subscriptions_plan WHERE is_default))
 WHERE t.deleted_at IS NULL AND p.events_per_month > 0 AND used.events >= p.events_per_month * %(part)s::float8
 ORDER BY t.id LIMIT %(limit)s
"""


def tenants_near_quota(first: date, part: float, limit: int) -> list[QuotaUse]:
    """Return the tenants that have used this part of their events per month since the day ``first``."""
    return [QuotaUse(*row) for row in run(TENANTS_NEAR_QUOTA, {"first": first, "part": part, "limit": limit})]


# Readers: the usage report of the API and of the admin. Indexes: for one tenant the unique (tenant, day, type) of
# totals, for all tenants usage_by_day. Parameters:
#
#     first, last             days, both included
#     tenant, type, prefix    filters: a tenant, an exact event type, the beginning of event types; None: all
#     granularity             the period that becomes one row: "day" or another unit of date_trunc
#     by_tenant, by_type      whether each tenant and each type has rows of its own
#     after_day, after_tenant, after_type    the last row of the previous page; None on the first page
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
    """Return rows (day, tenant, event type, events, deliveries), sorted by day, tenant and type.

    ``parameters``: those of REPORT_USAGE. In rows that are not split by tenant or by type, it is None.
    """
    rows = run(REPORT_USAGE, parameters)
    return [(day, tenant, event_type, events, deliveries) for day, tenant, event_type, events, deliveries in rows]
