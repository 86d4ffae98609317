"""Set up an archive in a folder, and events that are due for it."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from delivery.lifecycle.retention import apply_retention
from delivery.models import Delivery, Event, Replay
from delivery.replaying.replays import ReplayFilter, start
from subscriptions.models import Endpoint, Tenant
from tests.clock import hour_of_test
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.delivery.jobs import replay_to_end

DAYS = 30  # retention of the tenants of these tests


def file_storage(folder: Path) -> dict[str, Any]:
    """Return the entry of STORAGES for an archive in this folder."""
    return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(folder)}}


def at(minute: float = 0, *, hour: int = 0) -> datetime:
    """Return a time that is past the retention: so many minutes after the beginning of an hour."""
    return hour_of_test(ago=timedelta(days=DAYS + 2)) + timedelta(hours=hour, minutes=minute)


def old_event(tenant: Tenant, minute: float = 5, *, hour: int = 0, **changes: Any) -> Event:
    return make_event(tenant, created_at=at(minute, hour=hour), **changes)


def old_delivery(
    endpoint: Endpoint, minute: float = 5, *, hour: int = 0, state: str = "delivered", **of: Any
) -> Delivery:
    """Create an event that is due for the archive, with a delivery and an attempt."""
    delivery = make_delivery(old_event(endpoint.tenant, minute, hour=hour, **of), endpoint, state=state)
    make_attempt(delivery, status=200, error="")
    return delivery


def archive_all() -> None:
    """Archive what is due, which has to be all there is."""
    apply_retention()
    assert not Event.objects.exists()


def replay_archive(tenant: Tenant, **conditions: Any) -> Replay:
    """Replay from the archive until the replay has ended, as the periodic task does."""
    row = start(tenant, ReplayFilter(**conditions, scope="archived"), by="ops")
    return replay_to_end(row)
