"""Count the attempts of an endpoint by the hour, and find the endpoints that reject most of them by these counts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from delivery.sql.figures.counts import sum_of_histograms, sum_of_objects
from webhooks.kit.sql import named_columns, run

MIN_REJECTED = 20  # attempts in 24 hours
REJECTS_MUCH = 0.5  # part of the attempts, in 24 hours and in the last two, from which on an endpoint rejects
REJECTS_LITTLE = 0.25  # part of the attempts in the last two hours, below which an endpoint no longer rejects
WARN_AGAIN_DAYS = 7

# Reader: the drain, every few seconds. Index: the unique (endpoint, begins_at).
ADD_ATTEMPT_STATS = f"""
INSERT INTO delivery_hourlystats AS hour (endpoint_id, begins_at, attempts, delivered, rejected, latencies, failures,
                                           last_error, last_status, last_failed_at)
SELECT h.endpoint_id, h.begins_at, h.attempts, h.delivered, h.rejected, h.latencies::int[], h.failures::jsonb,
       h.last_error, h.last_status, h.failed_at
  FROM unnest(%(endpoints)s::uuid[], %(hours)s::timestamptz[], %(attempts)s::int[], %(delivered)s::int[],
              %(rejected)s::int[], %(latencies)s::text[], %(failures)s::text[], %(errors)s::text[],
              %(statuses)s::int2[], %(failed)s::timestamptz[])
       AS h(endpoint_id, begins_at, attempts, delivered, rejected, latencies, failures, last_error, last_status,
            failed_at)
    ON CONFLICT (endpoint_id, begins_at) DO UPDATE
   SET attempts = hour.attempts + EXCLUDED.attempts,
       delivered = hour.delivered + EXCLUDED.delivered,
       rejected = hour.rejected + EXCLUDED.rejected,
       latencies = {sum_of_histograms("hour.latencies", "EXCLUDED.latencies")},
       failures = {sum_of_objects("hour.failures", "EXCLUDED.failures")},
       rolled_up = false,
       last_error = CASE WHEN EXCLUDED.last_failed_at IS NULL THEN hour.last_error ELSE EXCLUDED.last_error END,
       last_status = CASE WHEN EXCLUDED.last_failed_at IS NULL THEN hour.last_status ELSE EXCLUDED.last_status END,
       last_failed_at = coalesce(EXCLUDED.last_failed_at, hour.last_failed_at)
"""
STATS_PARAMETERS = "endpoints hours attempts delivered rejected latencies failures errors statuses failed"


def add_attempt_stats(rows: Sequence[Sequence[Any]]) -> None:
    """Add rows (endpoint, hour, attempts, delivered, rejected, histogram, failures, last error, status, time).

    The histogram is an array literal, the failures are a JSON object.
    """
    run(ADD_ATTEMPT_STATS, named_columns(STATS_PARAMETERS, rows))


# Reader: the sweep. Indexes: hourly_stats_by_hour; the unique (endpoint, begins_at). Only hours that began since the
# URL last changed count.
BEGIN_REJECTING = f"""
WITH recent AS (
    SELECT endpoint_id FROM delivery_hourlystats
     WHERE begins_at >= date_trunc('hour', now()) - interval '1 hour'
     GROUP BY endpoint_id HAVING sum(rejected) > 0 AND sum(rejected) >= {REJECTS_MUCH} * sum(attempts)
), day AS (
    SELECT h.endpoint_id, sum(h.attempts) AS attempts, sum(h.rejected) AS rejected,
           (array_agg(h.last_status ORDER BY h.begins_at DESC) FILTER (WHERE h.rejected > 0))[1] AS last_status
      FROM recent
      JOIN delivery_hourlystats h ON h.endpoint_id = ANY(ARRAY[recent.endpoint_id])
      LEFT JOIN subscriptions_httpsettings http ON http.endpoint_id = ANY(ARRAY[h.endpoint_id])
     WHERE h.begins_at > now() - interval '24 hours' AND h.begins_at >= coalesce(http.url_changed_at, 'epoch')
     GROUP BY h.endpoint_id
    HAVING sum(h.rejected) >= {MIN_REJECTED} AND sum(h.rejected) >= {REJECTS_MUCH} * sum(h.attempts)
)
UPDATE delivery_lane l SET rejecting_since = coalesce(l.rejecting_since, now()), rejecting_warned_at = now()
  FROM day
 WHERE l.endpoint_id = ANY(ARRAY[day.endpoint_id])
   AND (l.rejecting_since IS NULL OR l.rejecting_warned_at < now() - interval '{WARN_AGAIN_DAYS} days')
RETURNING l.endpoint_id, l.rejecting_since, day.attempts::int8, day.rejected::int8, day.last_status
"""

# Reader: the sweep. Indexes: lane_rejecting; the unique (endpoint, begins_at).
END_REJECTING = f"""
WITH ended AS (
    SELECT l.endpoint_id FROM delivery_lane l
     CROSS JOIN LATERAL (
           SELECT sum(delivered) AS delivered, sum(rejected) AS rejected, sum(attempts) AS attempts
             FROM delivery_hourlystats h
            WHERE h.endpoint_id = l.endpoint_id AND begins_at >= date_trunc('hour', now()) - interval '1 hour') recent
     WHERE l.rejecting_since IS NOT NULL AND recent.delivered > 0
       AND recent.rejected < {REJECTS_LITTLE} * recent.attempts
)
UPDATE delivery_lane l SET rejecting_since = NULL, rejecting_warned_at = NULL
  FROM ended WHERE l.endpoint_id = ANY(ARRAY[ended.endpoint_id])
   AND coalesce(l.rejecting_since, '-infinity') > '-infinity'
RETURNING l.endpoint_id
"""


class RejectingRow(NamedTuple):
    """An endpoint that rejects most deliveries, with its attempts of 24 hours, and the status of the latest failure."""

    endpoint_id: UUID
    since: datetime
    attempts: int
    rejected: int
    last_status: int | None


def begin_rejecting() -> list[RejectingRow]:
    """Mark the lanes of endpoints that reject most deliveries; return those whose first or next warning is due."""
    return [RejectingRow(*row) for row in run(BEGIN_REJECTING, {})]


def end_rejecting() -> list[UUID]:
    """Unmark the lanes of endpoints that no longer reject most deliveries, and return the endpoints."""
    return [row[0] for row in run(END_REJECTING, {})]
