"""Test that the sweep deletes what is past its retention and nothing else."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from tests.bodies import store_body
from tests.clock import from_now, time_of_test
from tests.factories_receiver import id_at, make_receipt, make_source
from webhooks.kit.bodies.claim_check import INLINE_MAX
from webhooks.models import LatestSequence, Receipt, Rejection, SlowSource, Source, SourceHour, SourceSecret
from webhooks.processing import sweep

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver")]


def days_ago(days: float) -> datetime:
    return time_of_test() - timedelta(days=days)


@pytest.mark.parametrize(
    ("age", "changes", "stays"),
    [
        (29, {"due_at": None, "processed_at": timedelta()}, True),
        (31, {"due_at": None, "processed_at": timedelta()}, False),
        (400, {}, True),
        (400, {"due_at": None, "dead_at": timedelta(days=-89)}, True),
        (400, {"due_at": None, "dead_at": timedelta(days=-91)}, False),
    ],
    ids=["young", "old", "pending", "dead lately", "dead long ago"],
)
def test_sweep_deletes_receipts_past_their_retention(age: float, changes: dict, stays: bool) -> None:
    make_receipt(id=id_at(days_ago(age)), **from_now(changes))
    sweep.sweep()
    assert Receipt.objects.exists() == stays


def large(moment: datetime, **changes) -> Receipt:
    key = id_at(moment)
    stored = store_body(iter([bytes(INLINE_MAX + 1)]), key, lambda chunk: None)
    return make_receipt(id=key, body=None, body_key=stored.key, size=stored.size, **changes)


def test_sweep_deletes_the_object_of_an_expired_receipt_only(claims: Path) -> None:
    large(days_ago(31), due_at=None, processed_at=time_of_test())
    pending = large(days_ago(31))
    sweep.sweep()
    assert [path for path in claims.rglob("*") if path.is_file()] == [claims / pending.body_key]


def test_sweep_deletes_more_than_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "BATCH", 3)
    source = make_source()
    for _ in range(10):
        make_receipt(source, id=id_at(days_ago(31)), due_at=None, processed_at=time_of_test())
    sweep.sweep()
    assert not Receipt.objects.exists()


def test_sweep_deletes_an_orphaned_object_after_a_day(claims: Path) -> None:
    """A crash between object and row leaves an orphan."""
    for age in (0.9, 1.1):
        store_body(iter([bytes(INLINE_MAX + 1)]), id_at(days_ago(age)), lambda chunk: None)
    named = large(days_ago(1.1))
    folder = named.body_key.split("/")[1]
    assert sweep.remove_orphans_of(folder, time_of_test()) == 1
    assert len([path for path in claims.rglob("*") if path.is_file()]) == 2
    assert named.read() == bytes(INLINE_MAX + 1)


def test_sweep_keeps_foreign_files(claims: Path) -> None:
    storages["claims"].save("receipts/2020-01-01/readme.txt", ContentFile(b"hello"))
    storages["claims"].save("elsewhere/0190", ContentFile(b"hello"))
    assert sweep.remove_orphans(time_of_test()) == 0
    assert len([path for path in claims.rglob("*") if path.is_file()]) == 2


def test_sweep_visits_the_folder_of_every_day(claims: Path) -> None:
    for day in range(1, 6):
        stored = store_body(iter([bytes(INLINE_MAX + 1)]), id_at(days_ago(9)), lambda chunk: None)
        (claims / stored.key).rename((claims / f"receipts/2020-01-0{day}-x").with_suffix(""))
    for path in (claims / "receipts").glob("2020-*"):
        content = path.read_bytes()
        name = id_at(days_ago(9)).hex
        path.unlink()
        path.mkdir()
        (path / name).write_bytes(content)
    folders = len(list((claims / "receipts").iterdir()))
    assert sum(sweep.remove_orphans(time_of_test() + timedelta(minutes=minute)) for minute in range(folders)) == 5


def test_sweep_without_a_storage_folder_does_nothing() -> None:
    sweep.sweep()
    assert not Receipt.objects.exists()


def test_sweep_keeps_the_newest_rejections_of_each_source_for_a_month(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "MAX_REJECTIONS", 3)
    loud, quiet = make_source(), make_source()
    for _ in range(5):
        Rejection.objects.create(source=loud, reason="x", size=0)
    Rejection.objects.create(source=quiet, reason="x", size=0)
    Rejection.objects.create(source=quiet, reason="x", size=0, id=id_at(days_ago(31)))
    newest = list(Rejection.objects.filter(source=loud).order_by("-id").values_list("id", flat=True)[:3])
    sweep.sweep()
    assert list(Rejection.objects.filter(source=loud).order_by("-id").values_list("id", flat=True)) == newest
    assert Rejection.objects.filter(source=quiet).count() == 1


def test_sweep_deletes_expired_secrets_and_deleted_sources_without_receipts() -> None:
    make_source(deleted_at=days_ago(31))
    held = make_receipt(make_source(deleted_at=days_ago(31))).source
    live = make_source()
    live.secrets.update(expires_at=days_ago(1))
    sweep.sweep()
    assert set(Source.objects.all()) == {held, live}
    assert not SourceSecret.objects.filter(source=live).exists()


def test_sweep_deletes_unused_high_water_marks_and_old_hours() -> None:
    source = make_source()
    for days in (1, 31, 91):
        LatestSequence.objects.create(source=source, order_key=str(days), sequence=1, updated_at=days_ago(days))
        SourceHour.objects.create(source=source, starts_at=days_ago(days))
    SlowSource.objects.create(source=source, until=days_ago(1))
    sweep.sweep()
    assert not SlowSource.objects.exists()
    assert [mark.order_key for mark in LatestSequence.objects.all()] == ["1"]
    assert sorted(hour.starts_at for hour in SourceHour.objects.all()) == [days_ago(31), days_ago(1)]
