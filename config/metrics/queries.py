"""Give Prometheus figures of the database, one query for each gauge, run at each scrape.

Each query is bounded, and an index serves it: it costs the same whatever the size of the tables.
"""

import time
from collections.abc import Iterator

from django.db import Error, connection
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

# Name of a gauge: its help text and its query. Indexes: those of the states, delivery_due and delivery_claimed;
# lane_due; dead_letter_open; lane_failing; fan_out_by_tenant; schedule_queue_due; source_partition_next.
BACKLOG = {
    "waypost_deliveries_pending": (
        "Deliveries that are queued or wait for their next attempt, up to 100,000.",
        "SELECT count(*) FROM (SELECT FROM delivery_delivery WHERE state = 'pending' LIMIT 100000) found",
    ),
    "waypost_deliveries_sending": (
        "Deliveries that are claimed by a drain, up to 100,000.",
        "SELECT count(*) FROM (SELECT FROM delivery_delivery WHERE state = 'sending' LIMIT 100000) found",
    ),
    "waypost_oldest_due_seconds": (
        "Time that the oldest lane has been due without a drain that leases it.",
        "SELECT coalesce(extract(epoch FROM now() - min(due_at)), 0) FROM delivery_lane"
        " WHERE due_at <= now() AND owner IS NULL",
    ),
    "waypost_dead_letters_open": (
        "Dead letters that were not replayed, up to 100,000.",
        "SELECT count(*) FROM (SELECT FROM delivery_deadletter WHERE closed_at IS NULL AND acknowledged_at IS NULL"
        " LIMIT 100000) found",
    ),
    "waypost_circuits_open": (
        "Endpoints whose circuit breaker is open.",
        "SELECT count(*) FROM delivery_lane WHERE failing_since IS NOT NULL AND circuit_open_until > now()",
    ),
    "waypost_endpoints_failing": (
        "Endpoints whose latest attempts have all failed.",
        "SELECT count(*) FROM delivery_lane WHERE failing_since IS NOT NULL",
    ),
    "waypost_fan_outs_waiting": (
        "Events whose fan-out is deferred to a worker and not finished, up to 100,000.",
        "SELECT count(*) FROM (SELECT FROM delivery_deferredfanout LIMIT 100000) found",
    ),
    "waypost_schedules_late_seconds": (
        "Time that the oldest due schedule has been due.",
        "SELECT coalesce(extract(epoch FROM now() - min(due_at)), 0) FROM delivery_schedulequeue WHERE due_at <= now()",
    ),
    "waypost_archive_failing_seconds": (
        "Time since when the archive cannot be written; 0: it can, or there is none.",
        "SELECT coalesce(max(extract(epoch FROM now() - failing_since)), 0) FROM delivery_archivestatus",
    ),
    "waypost_archive_behind_seconds": (
        "Time that the oldest events that wait for the archive have been due for it; 0: none waits.",
        "SELECT coalesce(max(extract(epoch FROM now() - due_since)), 0) FROM delivery_archivestatus",
    ),
    "waypost_sources_lag_records": (
        "Records that are not read yet, of the sources that are read and know it.",
        "SELECT coalesce(sum(lag_records), 0) FROM webhooks_sourcepartition WHERE next_read_at IS NOT NULL",
    ),
    "waypost_sources_lag_seconds": (
        "Age of the oldest record that is not read yet, of the sources that know it.",
        "SELECT coalesce(max(lag_seconds), 0) FROM webhooks_sourcepartition WHERE next_read_at IS NOT NULL",
    ),
    "waypost_sources_held_bytes": (
        "Most bytes that another system keeps for one of our readers, such as WAL of PostgreSQL.",
        "SELECT coalesce(max(lag_bytes), 0) FROM webhooks_sourcepartition WHERE next_read_at IS NOT NULL",
    ),
    "waypost_sources_failing": (
        "Partitions of sources that cannot be read.",
        "SELECT count(*) FROM webhooks_sourcepartition WHERE next_read_at IS NOT NULL AND failing_since IS NOT NULL",
    ),
    "waypost_database_wal_held_bytes": (
        "Most WAL that a replication slot makes our own database keep. It fills the disk if nothing reads the slot.",
        "SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)), 0) FROM pg_replication_slots",
    ),
    "waypost_database_connections_ratio": (
        "Part of the connections that the database allows which are in use.",
        "SELECT count(*)::float8 / current_setting('max_connections')::int FROM pg_stat_activity"
        " WHERE backend_type = 'client backend'",
    ),
    "waypost_database_oldest_transaction_seconds": (
        "Age of the oldest transaction of the database. While it lasts, claims get slower.",
        "SELECT coalesce(max(extract(epoch FROM now() - xact_start)), 0) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND datname = current_database()",
    ),
}
PROBE = ("waypost_database_probe_seconds", "Duration of the shortest statement of this scrape: SELECT 1.")
UP = ("waypost_database_up", "Whether the database responded to this scrape: 0 or 1.")


class QueryCollector(Collector):
    """Run the query of each gauge. One that the database refuses is left out, and the others are served."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield whether the database responds, and if so one gauge per query."""
        seconds = self._probe()
        yield GaugeMetricFamily(*UP, value=0.0 if seconds is None else 1.0)
        if seconds is None:
            return
        yield GaugeMetricFamily(*PROBE, value=seconds)
        for name, (help_text, query) in BACKLOG.items():
            try:
                value = self._read(query)
            except Error:
                continue
            yield GaugeMetricFamily(name, help_text, value=value)

    def _probe(self) -> float | None:
        """Return how long the database takes to respond; None if it does not."""
        try:
            connection.ensure_connection()
            began = time.perf_counter()
            self._read("SELECT 1")
            return time.perf_counter() - began
        except Error:
            return None

    def _read(self, query: str) -> float:
        with connection.cursor() as cursor:
            cursor.execute(query)
            (value,) = cursor.fetchone()
        return float(value)
