"""Rank tenants and endpoints by their failures in a period."""

from datetime import datetime
from uuid import UUID

from webhooks.kit.sql import run

# Readers: the admin's first page and that of a tenant. Indexes: figures_with_failures and hourly_stats_with_failures,
# which contain only periods with failures. Days of endpoints come from their rows, those since days_until from hours.


def _rank(*parts: str) -> str:
    """Return the statement that ranks by the sum of these parts."""
    return f"""
SELECT scope_id, sum(failed)::int8 AS failed FROM ({" UNION ALL ".join(parts)}) part
 WHERE %(tenant)s::uuid IS NULL OR scope_id IN (SELECT id FROM subscriptions_endpoint WHERE tenant_id = %(tenant)s)
 GROUP BY scope_id ORDER BY failed DESC, scope_id LIMIT %(limit)s
"""


def _figures(length: int, until: str = "'infinity'") -> str:
    return f"""
SELECT scope_id, attempts - delivered AS failed FROM delivery_figures
 WHERE scope = %(scope)s AND length = {length} AND attempts > delivered AND begins_at >= %(since)s::timestamptz
   AND begins_at < {until}
"""


def _hours_of_endpoints(since: str) -> str:
    return f"""
SELECT endpoint_id AS scope_id, attempts - delivered AS failed FROM delivery_hourlystats
 WHERE attempts > delivered AND begins_at >= {since}
"""


RANK_BY_FIVE_MINUTES = _rank(_figures(5))
RANK_TENANTS_BY_HOURS = _rank(_figures(60))
RANK_ENDPOINTS_BY_HOURS = _rank(_hours_of_endpoints("%(since)s::timestamptz"))
RANK_ENDPOINTS_BY_DAYS = _rank(
    _figures(1440, "%(days_until)s::timestamptz"),
    _hours_of_endpoints("greatest(%(since)s::timestamptz, %(days_until)s::timestamptz)"),
)


def rank(
    statement: str, scope: str, since: datetime, days_until: datetime, limit: int, tenant_id: UUID | None = None
) -> list[tuple[UUID, int]]:
    """Return the tenants or endpoints with the most failed attempts since then, each with their number.

    ``tenant_id``: only endpoints of this tenant.
    """
    parameters = {"scope": scope, "since": since, "days_until": days_until, "limit": limit, "tenant": tenant_id}
    return [(key, int(failed)) for key, failed in run(statement, parameters)]


# Reader: the admin's first page. The table has a row for each endpoint for which something waits.
TENANTS_BY_BACKLOG = """
SELECT tenant_id, sum(pending)::int8, sum(due)::int8, min(oldest_due_at), sum(open_dead_letters)::int8
  FROM delivery_backlog WHERE tenant_id IS NOT NULL GROUP BY tenant_id
"""


def backlog_by_tenant() -> list[tuple[UUID, int, int, datetime | None, int]]:
    """Return the tenants for which something waits: pending, due, since when the oldest is due, open dead letters."""
    return [
        (tenant, pending, due, oldest, letters) for tenant, pending, due, oldest, letters in run(TENANTS_BY_BACKLOG, {})
    ]
