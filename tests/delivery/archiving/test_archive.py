"""The archive keeps what retention deletes: by tenant and hour, once, and nothing is deleted that it does not have."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from django.core.files.storage import FileSystemStorage
from django.utils import timezone

from delivery.archiving import archive, storage
from delivery.archiving.archive import archive_events
from delivery.lifecycle import retention
from delivery.lifecycle.erase import erase
from delivery.lifecycle.retention import DeletedRows, apply_retention
from delivery.models import Archive, Attempt, DeadLetter, Delivery, Event
from subscriptions.models import Endpoint
from tests.delivery.archiving.factories import DAYS, at, file_storage, old_delivery, old_event
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint, make_tenant
from tests.threads import in_threads

pytestmark = pytest.mark.django_db

ROWS = (Event, Delivery, Attempt, DeadLetter)


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint(make_tenant(retention_days=DAYS))


def objects(archive_folder: Path) -> list[Path]:
    return sorted(it for it in archive_folder.rglob("*") if it.is_file())


def documents(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in zstandard.decompress(path.read_bytes()).splitlines()]


def test_events_of_an_hour_are_in_one_object_with_its_row(archive_folder: Path, endpoint: Endpoint) -> None:
    first = old_delivery(endpoint, 1)
    second = old_delivery(endpoint, 59, type="order.paid")
    ids = [first.event.public_id, second.event.public_id]
    make_dead_letter(second, failed_at=at(59))
    assert apply_retention() == DeletedRows(events=2, deliveries=2, attempts=2, dead_letters=1)
    assert [model.objects.count() for model in ROWS] == [0, 0, 0, 0]
    (path,) = objects(archive_folder)
    row = Archive.objects.get()
    assert str(path.relative_to(archive_folder)) == row.key
    assert row.key.startswith(f"{endpoint.tenant.public_id}/{at():%Y/%m/%d/%H}-")
    assert (row.begins_at, row.events, row.deliveries) == (at(), 2, 2)
    assert row.types == {"order.created": 1, "order.paid": 1}
    assert (row.bytes, row.sha256) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    lines = documents(path)
    assert [it["id"] for it in lines] == ids
    assert [it["deliveries"][0]["state"] for it in lines] == ["delivered", "dead"]
    assert lines[0]["deliveries"][0]["attempts"][0]["status"] == 200
    assert lines[1]["deliveries"][0]["dead_letters"][0]["cause"] == "exhausted"
    assert lines[0]["cloudevent"] == orjson.loads(first.event.body)


def test_hours_and_tenants_have_objects_of_their_own(archive_folder: Path, endpoint: Endpoint) -> None:
    other = make_endpoint(make_tenant(retention_days=DAYS))
    for which in (endpoint, other):
        for hour in (0, 1):
            old_delivery(which, hour=hour)
            old_event(which.tenant, 6, hour=hour)
    apply_retention()
    rows = Archive.objects.order_by("tenant", "begins_at").values_list("tenant", "begins_at", "events")
    tenants = sorted((endpoint.tenant_id, other.tenant_id))
    assert list(rows) == [(tenant, at(0, hour=hour), 2) for tenant in tenants for hour in (0, 1)]
    assert len(objects(archive_folder)) == 4


def test_hour_is_archived_when_all_of_it_is_past_the_retention(archive_folder: Path, endpoint: Endpoint) -> None:
    cutoff = timezone.now() - timedelta(days=DAYS)
    kept = make_event(endpoint.tenant, created_at=cutoff.replace(minute=0, second=0, microsecond=0))
    old_event(endpoint.tenant)
    apply_retention()
    assert Event.objects.get() == kept
    assert Archive.objects.count() == 1


@pytest.mark.parametrize("state", ["pending", "sending"])
def test_event_stays_with_all_its_deliveries_while_one_is_unfinished(
    archive_folder: Path, endpoint: Endpoint, state: str
) -> None:
    event = old_delivery(endpoint).event
    unfinished = make_delivery(event, make_endpoint(endpoint.tenant), state=state)
    assert apply_retention() == DeletedRows()
    Delivery.objects.filter(pk=unfinished.pk).update(state="delivered")
    assert apply_retention() == DeletedRows(events=1, deliveries=2, attempts=1)
    assert Archive.objects.get().deliveries == 2


def test_late_event_of_an_hour_gets_a_further_object(archive_folder: Path, endpoint: Endpoint) -> None:
    late = old_delivery(endpoint, 1, state="pending")
    old_delivery(endpoint, 2)
    apply_retention()
    Delivery.objects.filter(pk=late.pk).update(state="delivered")
    apply_retention()
    assert list(Archive.objects.values_list("begins_at", "events")) == [(at(), 1), (at(), 1)]
    assert len(objects(archive_folder)) == 2


@pytest.mark.parametrize(
    ("limit", "value", "sizes"),
    [("MAX_EVENTS", 2, [2, 2, 1]), ("MAX_BYTES", 1, [1] * 5), ("MAX_DELIVERIES", 2, [2, 2, 1])],
)
def test_large_hour_is_several_objects(
    archive_folder: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(archive, limit, value)
    for minute in range(5):
        old_delivery(endpoint, minute)
    apply_retention()
    assert sorted(Archive.objects.values_list("events", flat=True)) == sorted(sizes)
    assert not Event.objects.exists()


def test_budget_ends_a_run_after_an_object(
    archive_folder: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ARCHIVE_BUDGET", 0.0)
    for hour in range(3):
        old_event(endpoint.tenant, hour=hour)
    assert [apply_retention().events for _ in range(4)] == [1, 1, 1, 0]


def test_without_an_archive_events_are_deleted_and_nothing_is_written(endpoint: Endpoint) -> None:
    old_delivery(endpoint)
    assert apply_retention().events == 1
    assert not Archive.objects.exists()


def test_events_of_a_tenant_that_archives_none_are_deleted_only(archive_folder: Path, endpoint: Endpoint) -> None:
    other = make_endpoint(make_tenant(retention_days=DAYS, archives_events=False))
    for it in (endpoint, other):
        old_delivery(it)
    assert apply_retention().events == 2
    assert Archive.objects.get().tenant_id == endpoint.tenant_id
    assert len(objects(archive_folder)) == 1


class Failing(FileSystemStorage):
    """A storage that cannot be written, or stores a part only."""

    def _save(self, name: str, content: Any) -> str:
        raise OSError("No space left on device")


class Cutting(FileSystemStorage):
    def _save(self, name: str, content: Any) -> str:
        content.seek(0)
        content.file.truncate(3)
        content.size = 3
        return super()._save(name, content)


@pytest.mark.parametrize("kind", [Failing, Cutting])
def test_what_cannot_be_written_is_not_deleted(settings: Any, tmp_path: Path, endpoint: Endpoint, kind: type) -> None:
    backend = {"BACKEND": f"{__name__}.{kind.__name__}", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "archive": backend}
    old_delivery(endpoint)
    with pytest.raises(storage.ArchiveDown):
        storage.write_object(endpoint.tenant_id, at(), b"content")
    assert apply_retention() == DeletedRows()
    assert (Event.objects.count(), Delivery.objects.count(), Archive.objects.count()) == (1, 1, 0)
    settings.STORAGES = {**settings.STORAGES, "archive": file_storage(tmp_path)}
    assert apply_retention().events == 1
    assert Archive.objects.get().bytes == (tmp_path / Archive.objects.get().key).stat().st_size


def test_part_of_an_object_that_a_crash_left_is_replaced(archive_folder: Path, endpoint: Endpoint) -> None:
    content = storage.compress(b"{}\n")
    key = storage.write_object(endpoint.tenant_id, at(), content)
    (archive_folder / key).write_bytes(content[:5])
    assert storage.write_object(endpoint.tenant_id, at(), content) == key
    assert (archive_folder / key).read_bytes() == content
    assert len(objects(archive_folder)) == 1


@pytest.mark.parametrize("change", ["replayed", "erased", "attempted"])
def test_event_that_changed_after_it_was_written_is_not_deleted(
    archive_folder: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    delivery = old_delivery(endpoint)
    cutoff = timezone.now() - timedelta(days=DAYS)
    write = storage.write_object

    def then_change(*arguments: Any) -> str:
        key = write(*arguments)
        if change == "erased":
            erase(delivery.event, "ops")
        elif change == "replayed":
            Delivery.objects.update(state="pending", started_at=timezone.now())
        else:
            Attempt.objects.update(duration_ms=7)
        return key

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_object", then_change)
        assert archive_events(endpoint.tenant_id, [delivery.event_id], cutoff) == {}
    assert (Event.objects.count(), Delivery.objects.count(), Archive.objects.count()) == (1, 1, 0)
    if change != "replayed":
        assert apply_retention().events == 1
        (line,) = documents(archive_folder / Archive.objects.get().key)
        assert ("data" in line["cloudevent"]) == (change != "erased")


@pytest.mark.django_db(transaction=True)
def test_two_processes_archive_each_event_once(archive_folder: Path) -> None:
    endpoint = make_endpoint(make_tenant(retention_days=DAYS))
    for hour in range(4):
        for minute in range(5):
            old_delivery(endpoint, minute, hour=hour)
    results = in_threads(*[apply_retention] * 4)
    assert [it for it in results if isinstance(it, Exception)] == []
    apply_retention()
    assert not Event.objects.exists()
    ids = [it["id"] for row in Archive.objects.all() for it in documents(archive_folder / row.key)]
    assert (len(ids), len(set(ids))) == (20, 20)
    assert sum(Archive.objects.values_list("events", flat=True)) == 20
