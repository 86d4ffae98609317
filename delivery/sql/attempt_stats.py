"""Add a drain's hourly counts of attempts to those of each endpoint."""

from collections.abc import Sequence
from typing import Any

from webhooks.kit.sql import columns, run

# Reader: the drain, every few seconds. Index: the unique (endpoint, begins_at). Histograms are added bucket by bucket,
# also when one has more buckets than the other.
ADD_ATTEMPT_STATS = """
INSERT INTO delivery_hourlystats AS hour (endpoint_id, begins_at, attempts, delivered, latencies, last_error,
                                           last_status, last_failed_at)
SELECT h.endpoint_id, h.begins_at, h.attempts, h.delivered, h.latencies::int[], h.last_error, h.last_status,
       h.failed_at
  FROM unnest(%(endpoints)s::uuid[], %(hours)s::timestamptz[], %(attempts)s::int[], %(delivered)s::int[],
              %(latencies)s::text[], %(errors)s::text[], %(statuses)s::int2[], %(failed)s::timestamptz[])
       AS h(endpoint_id, begins_at, attempts, delivered, latencies, last_error, last_status, failed_at)
    ON CONFLICT (endpoint_id, begins_at) DO UPDATE
   SET attempts = hour.attempts + EXCLUDED.attempts,
       delivered = hour.delivered + EXCLUDED.delivered,
       latencies = ARRAY(SELECT coalesce(a, 0) + coalesce(b, 0)
                           FROM unnest(hour.latencies, EXCLUDED.latencies) WITH ORDINALITY AS both_sides(a, b, place)
                          ORDER BY place),
       last_error = CASE WHEN EXCLUDED.last_failed_at IS NULL THEN hour.last_error ELSE EXCLUDED.last_error END,
       last_status = CASE WHEN EXCLUDED.last_failed_at IS NULL THEN hour.last_status ELSE EXCLUDED.last_status END,
       last_failed_at = coalesce(EXCLUDED.last_failed_at, hour.last_failed_at)
"""
PARAMETERS = ("endpoints", "hours", "attempts", "delivered", "latencies", "errors", "statuses", "failed")


def add_attempt_stats(rows: Sequence[Sequence[Any]]) -> None:
    """Add rows (endpoint, hour, attempts, delivered, histogram as an array literal, last error, status, time)."""
    run(ADD_ATTEMPT_STATS, dict(zip(PARAMETERS, columns(rows, len(PARAMETERS)), strict=True)))
