"""The status of the archive: since when its storage cannot be written, and since when events have waited for it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from config.metrics.queries import BACKLOG
from delivery.lifecycle import retention
from delivery.lifecycle.retention import apply_retention
from delivery.models import ArchiveStatus, Event
from subscriptions.models import Endpoint, Tenant
from tests.delivery.archiving.factories import DAYS, at, file_storage, old_delivery, old_event
from tests.factories import make_endpoint, make_tenant
from tests.metrics import metric
from webhooks.kit.sql import run

pytestmark = pytest.mark.django_db
OBJECTS = "waypost_archive_objects_total"


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    """Set up an archive in a folder."""
    settings.STORAGES = {**settings.STORAGES, "archive": file_storage(tmp_path / "archive")}
    return tmp_path / "archive"


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint(make_tenant(retention_days=DAYS))


def block(folder: Path) -> None:
    """Let the storage refuse every object: a file is where its folder should be."""
    folder.write_text("")


def gauge(name: str) -> float:
    ((value,),) = run(BACKLOG[name][1], {})
    return float(value)


def test_archive_that_is_written_is_neither_failing_nor_behind(folder: Path, endpoint: Endpoint) -> None:
    before = metric(OBJECTS, result="written")
    old_delivery(endpoint)
    apply_retention()
    status = ArchiveStatus.objects.get()
    assert (status.failing_since, status.error, status.due_since) == (None, "", None)
    assert metric(OBJECTS, result="written") - before == 1
    assert gauge("waypost_archive_failing_seconds") == gauge("waypost_archive_behind_seconds") == 0


def test_archive_that_is_away_fails_since_the_first_run_until_it_is_back(folder: Path, endpoint: Endpoint) -> None:
    old_delivery(endpoint, 5, hour=3)
    old_delivery(endpoint, 5, hour=1)
    block(folder)
    before = metric(OBJECTS, result="failed")
    apply_retention()
    first = ArchiveStatus.objects.get()
    apply_retention()
    status = ArchiveStatus.objects.get()
    assert first.failing_since is not None
    assert status.failing_since == first.failing_since
    assert "was not written" in status.error
    assert status.due_since == at(hour=2) + timedelta(days=DAYS)  # when the older hour was past the retention
    assert metric(OBJECTS, result="failed") - before == 2
    ArchiveStatus.objects.update(failing_since=timezone.now() - timedelta(seconds=90))
    assert gauge("waypost_archive_failing_seconds") == pytest.approx(90, abs=30)
    late = (timezone.now() - status.due_since).total_seconds()
    assert gauge("waypost_archive_behind_seconds") == pytest.approx(late, abs=30)
    folder.unlink()
    apply_retention()
    status.refresh_from_db()
    assert (status.failing_since, status.error, status.due_since) == (None, "", None)
    assert not Event.objects.exists()


def test_archive_that_is_slow_is_behind_and_not_failing(
    folder: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ARCHIVE_BUDGET", -1.0)
    old_delivery(endpoint, hour=0)
    old_delivery(endpoint, hour=2)
    apply_retention()
    status = ArchiveStatus.objects.get()
    assert status.failing_since is None
    assert status.due_since == at(hour=3) + timedelta(days=DAYS)


def test_event_that_stays_because_a_delivery_is_unfinished_does_not_wait(folder: Path, endpoint: Endpoint) -> None:
    old_delivery(endpoint, state="pending")
    old_delivery(endpoint, hour=2)
    block(folder)
    apply_retention()
    assert ArchiveStatus.objects.get().due_since == at(hour=3) + timedelta(days=DAYS)


def test_archive_that_is_away_does_not_keep_what_is_not_archived(folder: Path, endpoint: Endpoint) -> None:
    others = [make_tenant(retention_days=DAYS, archives_events=False) for _ in range(3)]
    old_delivery(endpoint)
    for tenant in others:
        old_event(tenant)
    block(folder)
    apply_retention()
    assert set(Event.objects.values_list("tenant", flat=True)) == {endpoint.tenant_id}
    assert Tenant.objects.count() == 4


def test_status_is_forgotten_where_no_archive_is_set_up() -> None:
    ArchiveStatus.objects.create(ran_at=timezone.now(), failing_since=timezone.now(), error="full")
    apply_retention()
    assert not ArchiveStatus.objects.exists()
