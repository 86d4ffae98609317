"""Serve the probes of load balancers, orchestrators and Prometheus: liveness, readiness and metrics.

/healthz    200 while the process runs; checks nothing else, so that a database failure does not restart web processes
/readyz     200 if database, migrations and encryption keys are ready, else 503; the body has the state of each, and
            of what this machine can do without: the broker, and the programs that run on any machine
/metrics    the counters of all processes of this machine, and figures of the platform, in the format of Prometheus;
            404 where the setting WAYPOST_METRICS is off

Anyone who can reach them may request them, so readiness and metrics are computed at most once a second.
"""

from collections.abc import Callable

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, JsonResponse
from django.views.decorators.http import require_safe
from kombu.connection import Connection
from prometheus_client import CONTENT_TYPE_LATEST

from config.metrics.exposition import exposition
from config.ops.migrations import missing_migrations
from delivery.load.processes import processes
from webhooks.encryption.check import keys_problem
from webhooks.kit.caches.single_flight import SingleFlight

BROKER_TIMEOUT = 1.0  # seconds to connect to the broker
_OK = "ok"
_NO_METRICS = "There are no metrics: the setting WAYPOST_METRICS is off.\n"


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


@require_safe
def metrics(_request: HttpRequest) -> HttpResponse:
    """Return the metrics of this machine's processes, and of the platform; 404 where they are switched off."""
    if not settings.WAYPOST_METRICS:
        return HttpResponseNotFound(_NO_METRICS, content_type="text/plain; charset=utf-8")
    return HttpResponse(exposition.get(""), content_type=CONTENT_TYPE_LATEST)
