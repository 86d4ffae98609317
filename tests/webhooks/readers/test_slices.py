"""Test that records of sources become receipts once each, whatever dies, and that sources take turns."""

import json
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from tests.webhooks.readers.conftest import read_source
from tests.webhooks.readers.scripted import ListReader, System
from webhooks.models import Receipt, Rejection, Source, SourcePartition
from webhooks.readers import leases, slices
from webhooks.readers.leases import LeaseLost, lease_next
from webhooks.readers.partitions import list_partitions, seek
from webhooks.readers.slices import run, run_slice
from webhooks.receiving import rejections
from webhooks.sources.kinds.kind import ENDED, Lag, SourceUnavailable
from webhooks.sources.snapshot import clear_snapshots
from webhooks.sources.sources import change_source, delete_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]


def bodies() -> list[bytes]:
    return [receipt.read() for receipt in Receipt.objects.order_by("id")]


def make_due(**changes: object) -> None:
    """Make all partitions due, as time would."""
    SourcePartition.objects.update(next_read_at=timezone.now() - timedelta(seconds=1), **changes)


def read_all() -> int:
    """Read until nothing is due now."""
    total = 0
    while (lease := lease_next()) is not None:
        total += run_slice(lease, time.monotonic() + 60)
        SourcePartition.objects.filter(id=lease.id, lag_records=0).update(next_read_at=None)
    return total


def test_records_become_receipts_in_order_and_are_acknowledged_after_the_commit(system: System) -> None:
    source = read_source()
    system.add(*(json.dumps({"type": "order.paid", "n": n}).encode() for n in range(1200)))
    assert read_all() == 1200
    assert [json.loads(body)["n"] for body in bodies()] == list(range(1200))
    receipt = Receipt.objects.earliest("id")
    assert (receipt.source_id, receipt.message_id, receipt.event_type) == (source.id, ":1", "order.paid")
    assert system.acknowledged == [f":{n}" for n in range(1, 1201)]
    partition = SourcePartition.objects.get()
    assert (partition.position, partition.records, partition.lag_records, partition.lease_token) == (
        1200,
        1200,
        0,
        None,
    )


def test_worker_that_dies_before_the_acknowledgement_leaves_no_record_twice(system: System) -> None:
    read_source()
    system.add(b'{"n": 1}', b'{"n": 2}')
    system.fails_to_acknowledge = SystemExit()
    with pytest.raises(SystemExit):
        run()
    assert Receipt.objects.count() == 2
    system.fails_to_acknowledge = None
    make_due()
    assert read_all() == 0
    make_due(position=None)
    assert read_all() == 2
    assert (Receipt.objects.count(), SourcePartition.objects.get().records) == (2, 4)


def test_reader_whose_lease_another_has_taken_stores_nothing(system: System) -> None:
    read_source()
    system.add(b'{"n": 1}')
    lease = lease_next()
    assert lease is not None
    SourcePartition.objects.update(lease_token=uuid4())
    assert run_slice(lease, time.monotonic() + 60) == 0
    assert (Receipt.objects.count(), system.acknowledged, system.closed) == (0, [], 1)


def test_pause_stops_a_reader_at_work_and_resuming_goes_on(system: System) -> None:
    source = read_source()
    system.add(b'{"n": 1}')
    system.before_return.append(lambda: change_source(Source.objects.get(), {"state": "paused"}))
    assert (run(), Receipt.objects.count()) == (0, 0)
    system.before_return.clear()
    make_paused = SourcePartition.objects.get()
    assert (make_paused.next_read_at, lease_next()) == (None, None)
    change_source(source, {"state": "active"})
    clear_snapshots()
    assert read_all() == 1


def test_unreachable_system_is_tried_again_after_doubling_pauses_and_shows_since_when(system: System) -> None:
    read_source()
    system.add(b'{"n": 1}')
    system.failure = SourceUnavailable("Access denied.", "credentials.password")
    for failures in (1, 2, 3):
        make_due()
        before = timezone.now()
        assert run() == 0
        partition = SourcePartition.objects.get()
        assert (partition.failures, partition.last_error) == (failures, "Access denied.")
        assert partition.error_setting == "credentials.password"
        assert None not in (partition.next_read_at, partition.failing_since)
        pause = (partition.next_read_at - before).total_seconds()
        assert 2 ** (failures - 1) <= pause < 2 ** (failures - 1) + 30
    system.failure = None
    make_due()
    read_all()
    partition = SourcePartition.objects.get()
    assert (partition.failures, partition.failing_since, partition.last_error) == (0, None, "")
    assert Receipt.objects.count() == 1


def test_unexpected_error_of_a_reader_is_shown_and_tried_again(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    read_source()
    system.failure = KeyError("offset")
    assert run() == 0
    assert SourcePartition.objects.get().last_error == "Reading failed with an unexpected error: KeyError: 'offset'."
    assert any("reader failed" in record.getMessage() for record in caplog.records)


def test_credentials_that_the_other_system_repeats_are_masked_in_the_error(system: System) -> None:
    read_source(credentials={"password": "hunter2"})
    system.failure = SourceUnavailable("No access with hunter2.", "credentials.password")
    assert run() == 0
    assert SourcePartition.objects.get().last_error == "No access with ***."


def test_unreadable_record_is_a_dead_receipt_with_its_bytes_and_blocks_nothing(system: System) -> None:
    read_source()
    system.add(b"\x00\x01", problem="Is not Avro: no schema 7.")
    system.add(b'{"n": 2}')
    assert read_all() == 2
    dead = Receipt.objects.get(dead_at__isnull=False)
    assert (dead.read(), dead.cause, dead.last_error) == (b"\x00\x01", "unreadable_body", "Is not Avro: no schema 7.")
    assert (dead.due_at, Receipt.objects.filter(dead_at=None).count()) == (None, 1)
    make_due(position=None)
    read_all()
    assert Receipt.objects.count() == 2


def test_record_that_is_too_large_or_of_a_refused_media_type_is_a_rejection(system: System) -> None:
    read_source(max_bytes=10, content_types=["application/json"])
    rejections.reset_samples()
    system.add(b'{"n": "0123456789"}', b'{"n": 2}')
    system.add(b"a,b", content_type="text/csv")
    assert read_all() == 3
    assert bodies() == [b'{"n": 2}']
    assert set(Rejection.objects.values_list("reason", flat=True)) == {"too_large", "content_type"}
    assert ":1" in Rejection.objects.get(reason="too_large").detail


def test_large_record_goes_to_storage(system: System) -> None:
    read_source()
    body = json.dumps({"type": "a.b", "text": "x" * 100_000}).encode()
    system.add(body)
    read_all()
    receipt = Receipt.objects.get()
    assert (bool(receipt.body_key), receipt.read(), receipt.event_type) == (True, body, "a.b")


def test_labels_of_a_record_are_used_unless_the_source_names_places(system: System) -> None:
    read_source()
    system.add(b'{"id": "o1", "type": "x"}', event_type="postgres.orders.inserted", order_key="7")
    read_all()
    receipt = Receipt.objects.get()
    assert (receipt.message_id, receipt.event_type, receipt.order_key) == (":1", "postgres.orders.inserted", "7")
    change_source(Source.objects.get(), {"message_id_path": "body:/id", "event_type_path": "body:/type"})
    clear_snapshots()
    make_due(position=None)
    read_all()
    assert Receipt.objects.filter(message_id="o1", event_type="x").count() == 1


def test_partitions_are_found_and_each_is_read_from_its_own_position(system: System) -> None:
    read_source("partitioned")
    system.partitions = {"0": [], "1": []}
    system.add(b'{"n": 1}', b'{"n": 2}', partition="0")
    system.add(b'{"n": 3}', partition="1")
    assert read_all() == 3
    rows = SourcePartition.objects.exclude(name="").order_by("name")
    assert [(row.name, row.position) for row in rows] == [("0", 2), ("1", 1)]


def test_partition_that_ended_is_read_no_more_and_its_successor_is_found_at_once(system: System) -> None:
    source = read_source("partitioned")
    system.partitions = {"0": []}
    system.add(b'{"n": 1}', partition="0")
    system.ended = {"0"}
    read_all()
    ended = SourcePartition.objects.get(name="0")
    assert (ended.position, ended.next_read_at, ended.lag_records, ended.records) == (ENDED, None, 0, 1)
    system.add(b'{"n": 2}', partition="1")
    SourcePartition.objects.filter(name="").update(next_read_at=timezone.now() + timedelta(seconds=60))
    make_due_again = SourcePartition.objects.filter(name="0")
    make_due_again.update(next_read_at=timezone.now() - timedelta(seconds=1))  # as resuming the source does
    assert (read_all(), Receipt.objects.count()) == (1, 2)
    assert make_due_again.get().next_read_at is None
    del system.partitions["0"]
    list_partitions(source)
    assert set(SourcePartition.objects.values_list("name", flat=True)) == {"", "1"}


def test_new_partition_begins_where_the_kind_says(system: System) -> None:
    read_source("partitioned")
    system.partitions = {"0": []}
    system.add(b'{"n": 1}', b'{"n": 2}', partition="0")
    system.begin = {"0": 1}
    assert (read_all(), bodies()) == (1, [b'{"n": 2}'])


def test_other_place_in_the_settings_drops_positions_and_other_settings_keep_them(system: System) -> None:
    source = read_source()
    system.add(b'{"n": 1}')
    read_all()
    change_source(source, {"settings": {"topic": "orders", "size": 5}})
    assert SourcePartition.objects.get().position == 1
    change_source(source, {"settings": {"topic": "payments"}})
    assert SourcePartition.objects.get().position is None


def test_seek_reads_again_without_doubles_or_skips_to_the_end(system: System) -> None:
    source = read_source()
    system.add(b'{"n": 1}', b'{"n": 2}')
    read_all()
    seek(source, "earliest")
    assert read_all() == 2
    assert Receipt.objects.count() == 2
    system.add(b'{"n": 3}')
    seek(source, "latest")
    assert (read_all(), Receipt.objects.count()) == (0, 2)


def test_deleted_source_is_removed_from_the_other_system_and_receipts_stay(system: System) -> None:
    source = read_source()
    system.add(b'{"n": 1}')
    read_all()
    delete_source(source)
    run()
    assert (system.removed, SourcePartition.objects.count(), Receipt.objects.count()) == ([source.public_id], 0, 1)


def test_tenant_with_many_partitions_lets_another_have_its_turn(system: System) -> None:
    first, second = uuid4(), uuid4()
    for owner, number in ((first, 20), (second, 1)):
        for _ in range(number):
            source = read_source()
            SourcePartition.objects.filter(source=source).update(owner=owner)
    leases._turns.clear()
    owners = []
    for _ in range(4):
        lease = lease_next()
        assert lease is not None
        owners.append(SourcePartition.objects.get(id=lease.id).owner)
    assert owners.count(second) == 1
    assert owners.index(second) < 2


def test_lease_of_a_dead_worker_is_due_again(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    read_source()
    system.add(b'{"n": 1}')
    monkeypatch.setattr(leases, "LEASE_SECONDS", -1.0)
    assert lease_next() is not None
    monkeypatch.setattr(leases, "LEASE_SECONDS", 60.0)
    assert (read_all(), Receipt.objects.count()) == (1, 1)


def test_advance_of_a_lost_lease_raises(system: System) -> None:
    read_source()
    lease = lease_next()
    assert lease is not None
    SourcePartition.objects.update(lease_token=None)
    with pytest.raises(LeaseLost):
        leases.advance(lease, 1, 1)


def test_position_behind_what_makes_no_records_is_stored_and_keeps_the_reader(system: System) -> None:
    read_source()
    system.add(b'{"n": 1}')
    system.passed = 7
    for _ in range(2):
        make_due()
        run_slice(lease_next(), time.monotonic() + 60)  # type: ignore[arg-type]
    assert (SourcePartition.objects.get().position, system.opened) == (7, 1)


def test_reader_is_kept_between_slices_and_opened_again_after_a_change(system: System) -> None:
    source = read_source()
    for number in range(3):
        system.add(b'{"n": %d}' % number)
        make_due()
        assert run_slice(lease_next(), time.monotonic() + 60) == 1  # type: ignore[arg-type]
    assert system.opened == 1
    change_source(source, {"name": "Orders"})
    make_due()
    run_slice(lease_next(), time.monotonic() + 60)  # type: ignore[arg-type]
    assert (system.opened, system.closed) == (2, 1)


def test_run_waits_for_records_only_while_nothing_else_is_due(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    read_source()
    SourcePartition.objects.update(last_read_at=timezone.now())
    assert slices._wait(time.monotonic() + 60) == 0.0
    assert lease_next() is not None
    assert slices._wait(time.monotonic() + 60) == slices.MAX_WAIT


def test_reader_that_waits_goes_on_at_once_and_one_that_does_not_pauses(system: System) -> None:
    read_source()
    for waits, pause in ((True, 0), (False, 1)):
        system.waits = waits
        make_due()
        lease = lease_next()
        assert lease is not None
        before = timezone.now()
        run_slice(lease, time.monotonic() + 0.2)
        due = SourcePartition.objects.get().next_read_at
        assert due is not None
        assert (due - before).total_seconds() >= pause
        assert (lease_next() is not None) is waits


def test_worker_with_one_process_never_waits(system: System, settings: Any) -> None:
    settings.WAYPOST_DEFAULT_WORKERS = 1
    read_source()
    system.waits = True
    run()
    assert system.longest_wait == 0.0


def test_lag_in_bytes_and_a_warning_of_the_reader_are_stored_until_they_change(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_source()
    for lag in (Lag(bytes=10, warning="The disk fills up."), Lag()):
        monkeypatch.setattr(ListReader, "lag", lambda reader, lag=lag: lag)
        make_due()
        run_slice(lease_next(), time.monotonic() + 60)  # type: ignore[arg-type]
        partition = SourcePartition.objects.get()
        assert (partition.lag_bytes, partition.warning) == (lag.bytes, lag.warning)


def test_order_key_in_the_body_is_found_though_the_record_has_a_type(system: System) -> None:
    read_source(order_key_path="body:/customer")
    system.add(b'{"customer": "c7"}', event_type="order.paid")
    read_all()
    receipt = Receipt.objects.get()
    assert (receipt.event_type, receipt.order_key) == ("order.paid", "c7")


def test_source_that_was_read_before_the_clock_went_back_is_read_now(system: System) -> None:
    read_source()
    read_all()
    later = timezone.now() + timedelta(minutes=30)
    SourcePartition.objects.update(next_read_at=later, last_read_at=timezone.now())
    assert leases.bring_reads_forward() == 0  # it may be read that seldom
    SourcePartition.objects.update(last_read_at=later)
    assert leases.bring_reads_forward() == 1
    assert lease_next() is not None
