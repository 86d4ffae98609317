"""What other machines ask us: are you alive, are you ready, how are you doing.

/healthz    the process answers; nothing else is looked at, so that a dead database restarts no web process
/readyz     200 if the database, its migrations and the broker are there; 503 and which of them is not
/metrics    Prometheus: what every process of this machine counted, and what is owed right now
"""

import os
from collections.abc import Callable, Iterator

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from kombu import Connection
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

BROKER_WITHIN = 1.0  # seconds
_OK = "ok"

# name: meaning, and a question that an index of what is owed answers
OWED = {
    "waypost_deliveries_pending": (
        "Deliveries that wait for their turn or their next attempt.",
        "SELECT count(*) FROM delivery_delivery WHERE state = 'pending'",
    ),
    "waypost_deliveries_sending": (
        "Deliveries that a drain has claimed.",
        "SELECT count(*) FROM delivery_delivery WHERE state = 'sending'",
    ),
    "waypost_oldest_due_seconds": (
        "How long the delivery that is most overdue has been due.",
        "SELECT coalesce(extract(epoch FROM now() - min(due_at)), 0) FROM delivery_lane"
        " WHERE due_at <= now() AND owner IS NULL",
    ),
}


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": _OK})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    parts = {name: _state(check) for name, check in CHECKS.items()}
    ready = all(state == _OK for state in parts.values())
    return JsonResponse({"status": _OK if ready else "not ready", **parts}, status=200 if ready else 503)


def _state(check: Callable[[], str]) -> str:
    """What went wrong goes to the log by its kind only: an address or a password may be part of its text."""
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


class Owed(Collector):
    """Asked of the database at each visit, so that it is true whichever process is asked."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, (meaning, question) in OWED.items():
            with connection.cursor() as cursor:
                cursor.execute(question)
                (value,) = cursor.fetchone()
            yield GaugeMetricFamily(name, meaning, value=float(value))


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Several processes count into files below PROMETHEUS_MULTIPROC_DIR, which `up` sets; without it, only this."""
    shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    counted = CollectorRegistry() if shared else REGISTRY
    if shared:
        MultiProcessCollector(counted, path=shared)  # type: ignore[no-untyped-call]
    body = generate_latest(counted)
    owed = CollectorRegistry()
    owed.register(Owed())
    try:
        body += generate_latest(owed)
    except Error:
        body += b"# the database cannot be asked right now\n"
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)
