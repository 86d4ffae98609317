"""Find the hours of which the usage is to be published, and read what each tenant used in one."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from webhooks.kit.sql import run

# The last hour that is over for half an hour: what drains have counted is written.
LAST_HOUR = "date_trunc('hour', now() - interval '30 minutes', 'UTC') - interval '1 hour'"
# Reader: the schedule. Index: the primary key.
HAS_HOURS_TO_PUBLISH = f"NOT EXISTS (SELECT FROM delivery_usagehour WHERE begins_at >= {LAST_HOUR})"
# Reader: the usage events. Index: the primary key. Hours before the retention of figures are left out.
HOURS_TO_PUBLISH = f"""
SELECT generate_series(
    coalesce((SELECT greatest(max(begins_at) + interval '1 hour', {LAST_HOUR} - interval '61 days')
                FROM delivery_usagehour HAVING count(*) > 0), {LAST_HOUR}),
    {LAST_HOUR}, interval '1 hour') LIMIT %(limit)s
"""
# Reader: the usage events. The increments are those of the last seconds, and need no index.
HAS_INCREMENTS_BEFORE = "SELECT EXISTS (SELECT FROM delivery_usageincrement WHERE counted_at < %(moment)s)"
# Reader: the usage events. Index: figures_by_period.
USED_IN_HOUR = """
SELECT tenant_id, events, deliveries, attempts, delivered FROM delivery_figures
 WHERE length = 60 AND begins_at = %(hour)s AND scope = 'tenant'
   AND (events > 0 OR deliveries > 0 OR attempts > 0)
 ORDER BY tenant_id
"""
# Reader: the usage events. Index: the primary key. Of two processes the second waits, and finds the hour taken.
BEGIN_HOUR = """
INSERT INTO delivery_usagehour (begins_at, published_at, tenants) VALUES (%(hour)s, now(), %(tenants)s)
    ON CONFLICT (begins_at) DO NOTHING RETURNING begins_at
"""


class HourlyUsage(NamedTuple):
    """The usage of a tenant in one hour."""

    tenant_id: UUID
    events: int = 0
    deliveries: int = 0
    attempts: int = 0
    delivered: int = 0


def hours_to_publish(limit: int) -> list[datetime]:
    """Return the first hours that are over and of which the usage is not published."""
    return [row[0] for row in run(HOURS_TO_PUBLISH, {"limit": limit})]


def has_increments_before(moment: datetime) -> bool:
    """Return whether usage that was counted before then is not in the figures yet."""
    ((exists,),) = run(HAS_INCREMENTS_BEFORE, {"moment": moment})
    return bool(exists)


def used_in_hour(hour: datetime) -> list[HourlyUsage]:
    """Return what each tenant used in an hour, without those that used nothing."""
    return [HourlyUsage(*row) for row in run(USED_IN_HOUR, {"hour": hour})]


def begin_hour(hour: datetime, tenants: int) -> bool:
    """Record that the usage of an hour is published; return whether it was not before. Call in a transaction."""
    return bool(run(BEGIN_HOUR, {"hour": hour, "tenants": tenants}))
