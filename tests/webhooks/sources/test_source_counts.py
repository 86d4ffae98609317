"""Test that requests and handler runs are counted by source and hour."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from tests.factories_receiver import make_source, signed
from webhooks.kit.hourly_counts import HourlyCounts
from webhooks.models import Receipt, SourceHour
from webhooks.processing import process
from webhooks.processing.handlers import GiveUp, handles
from webhooks.processing.process import process_due
from webhooks.sources import source_counts
from webhooks.sources.source_counts import KindCounts, upsert

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

BODY = b'{"type":"a.b"}'
NOW = 1_800_000_000.0


def new_counts() -> HourlyCounts[KindCounts]:
    return HourlyCounts(KindCounts, upsert)


def send(source, message_id: str = "msg_1", **headers: str):
    return Client().post(
        f"/in/{source.public_id}/", BODY, "application/json", headers={**signed(BODY, message_id=message_id), **headers}
    )


def counted(source) -> dict[str, int]:
    source_counts.source_counts.try_write()
    hour = SourceHour.objects.get(source=source)
    return {kind: getattr(hour, kind) for kind in source_counts.KINDS if getattr(hour, kind)}


def test_request_is_counted_by_its_outcome(settings) -> None:
    source = make_source()  # without handlers: processed when stored
    for message_id in ("1", "2", "2"):
        assert send(source, message_id).status_code in (200, 202)
    assert send(source, **{"webhook-signature": "v1,AAAA"}).status_code == 401
    limited = make_source(rate_per_minute=1)  # one message a minute, so a slow machine has no other result
    assert send(limited).status_code == 202
    assert send(limited, **{"webhook-signature": "v1,AAAA"}).status_code == 429
    paused = make_source(paused_at=timezone.now())
    assert send(paused).status_code == 503
    assert counted(source) == {"received": 2, "duplicates": 1, "rejected": 1, "processed": 2}
    assert counted(limited) == {"received": 1, "throttled": 1, "processed": 1}
    assert counted(paused) == {"throttled": 1}


def test_handler_run_is_counted_by_its_outcome() -> None:
    @handles()
    def works_or_not(receipt: Receipt) -> None:
        if receipt.message_id == "fails":
            raise RuntimeError
        if receipt.message_id == "gives-up":
            raise GiveUp

    source = make_source()
    for message_id in ("works", "fails", "gives-up"):
        send(source, message_id)
    process_due()
    assert counted(source) == {"received": 3, "processed": 1, "handler_failures": 1, "dead": 1}


def test_counts_of_several_processes_and_writes_add_up() -> None:
    source = make_source()
    for _ in range(3):
        one, other = new_counts(), new_counts()
        one.add(source.id, "received", NOW)
        other.add(source.id, "received", NOW)
        other.add(source.id, "rejected", NOW)
        one.write()
        other.write()
    assert counted(source) == {"received": 6, "rejected": 3}


def test_count_starts_a_row_at_each_full_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_source()
    for moment in (datetime(2026, 1, 1, 9, 59, 59, tzinfo=UTC), datetime(2026, 1, 1, 10, 0, 0, tzinfo=UTC)):
        monkeypatch.setattr(source_counts.time, "time", moment.timestamp)
        source_counts.count(source.id, "received")
    source_counts.source_counts.try_write()
    hours = SourceHour.objects.filter(source=source).order_by("starts_at").values_list("starts_at", "received")
    assert list(hours) == [(datetime(2026, 1, 1, hour, tzinfo=UTC), 1) for hour in (9, 10)]


@pytest.mark.django_db(transaction=True)
def test_counts_that_cannot_be_written_are_written_later() -> None:
    source = make_source()
    source_counts.count(source.id, "received")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE webhooks_sourcehour RENAME TO away")
    try:
        source_counts.source_counts.try_write()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO webhooks_sourcehour")
    source_counts.count(source.id, "received")
    assert counted(source) == {"received": 2}


@pytest.mark.django_db(transaction=True)
def test_concurrent_writes_of_the_same_hours_do_not_deadlock() -> None:
    sources = [make_source() for _ in range(10)]

    def work(order: list) -> None:
        mine = new_counts()
        for _ in range(20):
            for source in order:
                mine.add(source.id, "received", NOW)
            mine.write()
        connections.close_all()

    threads = [threading.Thread(target=work, args=(order,)) for order in (sources, sources[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(SourceHour.objects.values_list("received", flat=True)) == {40}


def test_receipt_that_crashed_its_worker_is_counted_as_dead() -> None:
    source = make_source(handlers=[{"handler": "log"}])
    send(source)
    Receipt.objects.update(claims=process.MAX_CLAIMS, due_at=timezone.now() - timedelta(seconds=1))
    process_due()
    assert counted(source) == {"received": 1, "dead": 1}
