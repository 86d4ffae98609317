"""Answer the probes of other machines: liveness, readiness, metrics.

/healthz    200 while the process runs; it asks nothing else, so that a dead database restarts no web process
/readyz     200 if database, migrations and broker are ready; else 503, naming the one that is not
/metrics    Prometheus: the counters of all processes of this machine, and the current backlog
"""

import os
from collections.abc import Callable, Iterator

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from kombu.connection import Connection
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

BROKER_WITHIN = 1.0  # seconds
_OK = "ok"

# Gauge: its help text and its query, each answered by a partial index.
BACKLOG = {
    "waypost_deliveries_pending": (
        "Deliveries that are queued or wait for their next attempt.",
        "SELECT count(*) FROM delivery_delivery WHERE state = 'pending'",
    ),
    "waypost_deliveries_sending": (
        "Deliveries that are claimed by a drain.",
        "SELECT count(*) FROM delivery_delivery WHERE state = 'sending'",
    ),
    "waypost_oldest_due_seconds": (
        "Age of the oldest delivery that is due and not yet claimed.",
        "SELECT coalesce(extract(epoch FROM now() - min(due_at)), 0) FROM delivery_lane"
        " WHERE due_at <= now() AND owner IS NULL",
    ),
}


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Report that this process runs."""
    return JsonResponse({"status": _OK})


@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Report whether database, migrations and broker are ready: 200, or 503 with the state of each."""
    parts = {name: _state(check) for name, check in CHECKS.items()}
    ready = all(state == _OK for state in parts.values())
    return JsonResponse({"status": _OK if ready else "not ready", **parts}, status=200 if ready else 503)


def _state(check: Callable[[], str]) -> str:
    """Run a check and return its state; of an error only the class: its text may hold an address or a password."""
    try:
        return check()
    except Exception as error:
        return f"unreachable ({type(error).__name__})"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return _OK


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(missing)} missing" if missing else _OK


def _broker() -> str:
    with Connection(settings.CELERY_BROKER_URL, connect_timeout=BROKER_WITHIN) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_WITHIN)
    return _OK


CHECKS: dict[str, Callable[[], str]] = {"database": _database, "migrations": _migrations, "broker": _broker}


class BacklogCollector(Collector):
    """Query the backlog at each scrape, so that every process reports the same."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one gauge per query of ``BACKLOG``."""
        for name, (meaning, query) in BACKLOG.items():
            with connection.cursor() as cursor:
                cursor.execute(query)
                (value,) = cursor.fetchone()
            yield GaugeMetricFamily(name, meaning, value=float(value))


@require_safe
def metrics(_request: HttpRequest) -> HttpResponse:
    """Return the metrics of all processes that share PROMETHEUS_MULTIPROC_DIR (set by `up`), else of this one."""
    shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    registry = CollectorRegistry() if shared else REGISTRY
    if shared:
        MultiProcessCollector(registry, path=shared)
    body = generate_latest(registry)
    backlog = CollectorRegistry()
    backlog.register(BacklogCollector())
    try:
        body += generate_latest(backlog)
    except Error:
        body += b"# the backlog is missing: the database is unavailable\n"
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)
