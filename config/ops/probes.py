"""Serve the probes of load balancers, orchestrators and Prometheus: liveness, readiness and metrics.

/healthz    200 while the process runs; checks nothing else, so that a database failure does not restart web processes
/readyz     200 if database, migrations and encryption keys are ready, else 503; the body has the state of each, and
            of what this machine can do without: the broker, and the programs that run on any machine
/metrics    the counters of all processes of this machine, and the current backlog, in the format of Prometheus

Anyone who can reach them may request them, so readiness and metrics are computed at most once a second.
"""

import os
from collections.abc import Callable, Iterator

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from kombu.connection import Connection
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config.ops.migrations import missing_migrations
from config.status.metrics import AlertCollector, LoadCollector, ProcessCollector
from delivery.load.processes import processes
from webhooks.encryption.check import keys_problem
from webhooks.kit.caches.timed_cache import SingleFlight

BROKER_TIMEOUT = 1.0  # seconds to connect to the broker
_OK = "ok"

# Name of a gauge: its help text and its query. A partial index serves each query.
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
    """Return 200: this process runs."""
    return JsonResponse({"status": _OK})


@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Return 200 if all parts are ready but those that are dispensable, else 503; the body has the state of each."""
    states = readiness.get("")
    failed = {name for name, state in states.items() if state != _OK}
    ready = failed <= DISPENSABLE
    status = "not ready" if not ready else "degraded" if failed else _OK
    return JsonResponse({"status": status, **states}, status=200 if ready else 503)


def _states(_key: str) -> dict[str, str]:
    return {name: _state(check) for name, check in CHECKS.items()}


def _state(check: Callable[[], str]) -> str:
    """Run a check and return its state. An error is reported by its class only: its text may hold a password."""
    try:
        return check()
    except Exception as error:
        return f"unreachable ({type(error).__name__})"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return _OK


def _migrations() -> str:
    missing = missing_migrations()
    return f"{len(missing)} missing" if missing else _OK


def _encryption_keys() -> str:
    return keys_problem() or _OK


def _broker() -> str:
    with Connection(settings.CELERY_BROKER_URL, connect_timeout=BROKER_TIMEOUT) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_TIMEOUT)
    return _OK


def _processes() -> str:
    """Return which programs are silent or missing, on any machine."""
    return processes().summary


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "encryption_keys": _encryption_keys,
    "broker": _broker,
    "processes": _processes,
}
DISPENSABLE = {"broker", "processes"}  # a broker wakes workers up; others may run, or events wait for them


readiness = SingleFlight(_states)  # one entry, under the key ""


class BacklogCollector(Collector):
    """Read the backlog from the database at each scrape, so that the result does not depend on the process."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one gauge per query of ``BACKLOG``."""
        for name, (help_text, query) in BACKLOG.items():
            with connection.cursor() as cursor:
                cursor.execute(query)
                (value,) = cursor.fetchone()
            yield GaugeMetricFamily(name, help_text, value=float(value))


@require_safe
def metrics(_request: HttpRequest) -> HttpResponse:
    """Return the metrics of this process, or of all that share PROMETHEUS_MULTIPROC_DIR, which `up` sets."""
    return HttpResponse(exposition.get(""), content_type=CONTENT_TYPE_LATEST)


def _exposition(_key: str) -> bytes:
    shared_directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    registry = CollectorRegistry() if shared_directory else REGISTRY
    if shared_directory:
        MultiProcessCollector(registry, path=shared_directory)
    body = generate_latest(registry)
    backlog = CollectorRegistry()
    backlog.register(BacklogCollector())
    backlog.register(LoadCollector())
    backlog.register(AlertCollector())
    backlog.register(ProcessCollector())
    try:
        body += generate_latest(backlog)
    except Error:
        body += b"# the backlog is missing: the database is unavailable\n"
    return body


exposition = SingleFlight(_exposition)  # one entry, under the key ""
