"""Create reports of processes and lanes that are behind; keyword arguments replace their fields."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from delivery.models import DrainReport, Heartbeat, Lane, PublisherReport
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint

DRAIN = {
    "machine": "worker-1",
    "cpu": 0.4,
    "machine_cpu": 0.5,
    "disk_free": 0.8,
    "load": 0.5,
    "minute_load": 0.5,
    "waiting": 0.1,
    "turn_size": 48.0,
    "in_flight": 7,
    "max_in_flight": 2048,
    "held": 3,
    "lanes": 12,
    "claimed_per_second": 100.04,
    "settled_per_second": 99.96,
}
PUBLISHER = {"machine": "web-1", "cpu": 0.3, "machine_cpu": 0.5, "requests_per_second": 420.0, "max_waiting": 5}


def make_drain_report(pid: int = 1, **changes: Any) -> DrainReport:
    """Create the report of a drain, of just now: a quarter of its capacity is in use."""
    now = timezone.now()
    return DrainReport.objects.create(**{**DRAIN, "pid": pid, "started_at": now, "reported_at": now, **changes})


def make_publisher_report(pid: int = 1, **changes: Any) -> PublisherReport:
    """Create the report of a web process, of just now."""
    return PublisherReport.objects.create(**{**PUBLISHER, "pid": pid, "reported_at": timezone.now(), **changes})


def make_lane_behind(seconds: float = 60, *, lane: dict[str, Any] | None = None, **endpoint: Any) -> Lane:
    """Create a lane whose oldest delivery has been due for so many seconds, of an endpoint with these settings."""
    row = make_endpoint(**endpoint)
    due_at = timezone.now() - timedelta(seconds=seconds)
    make_delivery(make_event(row.tenant, created_at=due_at), row, next_attempt_at=due_at)
    return Lane.objects.create(endpoint=row, tenant=row.tenant, **{"due_at": due_at, **(lane or {})})


def make_heartbeat(role: str = "web", **changes: Any) -> Heartbeat:
    """Create the sign of life of a program, of just now, which has reported for an hour."""
    now = timezone.now()
    changes = {"reporting_since": now - timedelta(hours=1), **changes}
    fields = {"machine": "machine-1", "role": role, "name": role, "pid": 1, "version": "0.1.0", "cpu": 0.1, "memory": 1}
    return Heartbeat.objects.create(**{**fields, "started_at": now, "reported_at": now, **changes})
