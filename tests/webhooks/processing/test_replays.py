"""Replays of receipts: settled ones that match, once each, in slices of flat cost, in turns among tenants."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import jobs
from tests.factories import make_tenant
from tests.factories_receiver import make_receipt, make_source
from webhooks.models import Receipt, ReceiptReplay, Source
from webhooks.processing import replays as module
from webhooks.processing.handlers import GiveUp, handles
from webhooks.processing.process import process_due
from webhooks.processing.receipt_filter import ReceiptFilter
from webhooks.processing.replays import (
    ReceiptCount,
    ReplayedStates,
    cancel,
    cancel_all_of,
    preview,
    replay_now,
    run_slices,
    start,
    states_of,
)
from webhooks.processing.sweep import delete_statistics
from webhooks.processing.worker import run_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

DEAD = ReceiptFilter({"state": "dead"})


def make_dead(source: Source | None = None, **fields: Any) -> Receipt:
    return make_receipt(source, **{"due_at": None, "dead_at": timezone.now(), "cause": "exhausted", **fields})


def run_to_end(row: ReceiptReplay) -> ReceiptReplay:
    """Run slices until the replay has ended."""
    return jobs.run_to_end(row, run_slices)


def due() -> set[Receipt]:
    return set(Receipt.objects.filter(due_at__isnull=False))


def test_replay_of_a_dead_receipt_restarts_its_retry_plan(notifications) -> None:
    broken = True

    @handles()
    def works_when_mended(receipt: Receipt) -> None:
        if broken:
            raise GiveUp("not yet")

    receipt = make_receipt()
    process_due()
    broken = False
    assert replay_now([receipt]) == 1
    receipt.refresh_from_db()
    assert (receipt.state, receipt.attempts, receipt.cause) == ("pending", 0, "")
    assert notifications.calls == 1
    process_due()
    receipt.refresh_from_db()
    assert receipt.state == "processed"


def test_replay_twice_changes_nothing_the_second_time(notifications) -> None:
    receipt = make_receipt()
    process_due()
    assert [replay_now([receipt]) for _ in range(2)] == [1, 0]
    assert notifications.calls == 1


def test_replay_skips_a_pending_receipt() -> None:
    receipt = make_receipt(attempts=3)
    everything = ReceiptFilter({})
    assert preview(None, everything) == ReceiptCount(0)
    row = run_to_end(start(None, everything, by="ops"))
    receipt.refresh_from_db()
    assert (row.state, row.replayed, receipt.attempts) == ("finished", 0, 3)


def test_replay_is_a_row_that_runs_in_slices_and_counts_what_became_of_its_receipts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PAGE", 3)
    monkeypatch.setattr(module, "MAX_SOURCES", 2)
    sources = [make_source() for _ in range(5)]
    dead = [make_dead(sources[number % 3]) for number in range(7)]
    kept = make_receipt(sources[4], due_at=None, processed_at=timezone.now())
    row = start(None, DEAD, by="ops")
    assert (row.state, row.total, row.is_lower_bound, row.replayed) == ("running", 7, False, 0)
    assert not due()
    row = run_to_end(row)
    assert (row.state, row.replayed, row.finished_at is None) == ("finished", 7, False)
    assert due() == set(dead)
    process_due()
    Receipt.objects.filter(pk=dead[0].pk).update(dead_at=timezone.now(), processed_at=None)
    assert states_of(row) == ReplayedStates(pending=0, processed=6, dead=1)
    kept.refresh_from_db()
    assert kept.replay_id is None


def test_replay_of_a_tenant_leaves_the_receipts_of_others() -> None:
    ours, theirs = make_tenant().pk, make_tenant().pk
    mine, other = (make_dead(make_source(tenant_id=tenant)) for tenant in (ours, theirs))
    assert preview(ours, DEAD).total == 1
    assert run_to_end(start(ours, DEAD, by="ops")).replayed == 1
    assert due() == {mine}
    assert run_to_end(start(None, DEAD, by="ops")).replayed == 1
    assert due() == {mine, other}


@pytest.mark.parametrize(
    ("given", "matching"),
    [
        ({"state": "dead"}, "ab"),
        ({"state": "processed"}, "c"),
        ({"state": "dead", "event_type": "order.*"}, "a"),
        ({"state": "dead", "message_id": "b"}, "b"),
        ({"state": "dead", "q": "TIMEOUT"}, "b"),
        ({"state": "dead", "cause": "handler_gave_up"}, "b"),
        ({"state": "dead", "labels": {"env": "prod"}}, "a"),
        ({"state": "dead", "labels": {"env": "test"}}, "b"),
        ({"state": "dead", "until": "2020-01-31T12:00:00+00:00"}, ""),
        ({"state": "dead", "since": "2020-01-31T12:00:00+00:00"}, "ab"),
        ({"skipped": True}, "c"),
        ({"order_key": "k"}, "c"),
    ],
)
def test_replay_selects_by_each_condition_and_its_preview_counts_the_same(given: dict[str, Any], matching: str) -> None:
    prod, test = make_source(labels={"env": "prod"}), make_source(labels={"env": "test"})
    make_dead(prod, message_id="a", event_type="order.paid")
    make_dead(test, message_id="b", event_type="invoice", last_error="Timeout", cause="handler_gave_up")
    make_receipt(test, message_id="c", due_at=None, processed_at=timezone.now(), skipped=True, order_key="k")
    make_receipt(test, message_id="d", skipped=True, order_key="k")
    selected = ReceiptFilter(given)
    assert preview(None, selected) == ReceiptCount(len(matching))
    Receipt.objects.filter(message_id="d").update(due_at=timezone.now() + timedelta(hours=1))
    run_to_end(start(None, selected, by="ops"))
    assert {receipt.message_id for receipt in due()} == {*matching, "d"}


def test_replay_of_one_source_by_its_id() -> None:
    receipt, _ = make_dead(), make_dead()
    selected = ReceiptFilter({"state": "dead", "source": receipt.source.public_id})
    assert preview(None, selected).total == 1
    run_to_end(start(None, selected, by="ops"))
    assert due() == {receipt}


def test_two_replays_requested_together_run_a_receipt_once() -> None:
    runs = []

    @handles()
    def always_gives_up(receipt: Receipt) -> None:
        runs.append(receipt.pk)
        raise GiveUp("no")

    receipt = make_dead()
    rows = [start(None, DEAD, by="ops") for _ in range(2)]
    for row in rows:
        run_to_end(row)
        process_due()
    assert runs == [receipt.pk]
    assert sorted(ReceiptReplay.objects.values_list("replayed", flat=True)) == [0, 1]


def test_cancelled_replay_makes_no_further_receipt_due() -> None:
    for _ in range(30):
        make_dead()
    row = start(None, DEAD, rate=1, by="ops")
    run_slices()
    made_due = len(due())  # more on a slow machine
    assert 0 < made_due < 30
    assert cancel(row)
    assert not cancel(row)
    row = run_to_end(row)
    assert (row.state, row.replayed, len(due())) == ("cancelled", made_due, made_due)


def test_replays_of_a_deleted_tenant_are_cancelled() -> None:
    ours, theirs = make_tenant().pk, make_tenant().pk
    rows = [start(tenant, DEAD, by="ops") for tenant in (ours, theirs)]
    cancel_all_of(tenant_id=ours)
    for row in rows:
        row.refresh_from_db()
    assert [row.state for row in rows] == ["cancelled", "running"]


def test_small_replay_does_not_wait_for_the_large_one_of_another_tenant() -> None:
    large, small = make_source(tenant_id=make_tenant().pk), make_source(tenant_id=make_tenant().pk)
    for _ in range(29):
        make_dead(large)
    receipt = make_dead(small)
    for source in (large, small):
        start(source.tenant_id, DEAD, rate=1, by="ops")
    run_slices()
    assert receipt in due()
    assert len(due()) < 30


def test_slice_reads_no_receipt_that_earlier_slices_or_others_have_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan of each page is a range of the index of dead receipts, from the cursor on."""
    monkeypatch.setattr(module, "PAGE", 150)
    source = make_source()
    Receipt.objects.bulk_create(
        Receipt(
            source=source,
            message_id=str(number),
            body=b"",
            size=0,
            sha256="",
            due_at=None,
            **({"dead_at": timezone.now()} if number % 4 else {"processed_at": timezone.now()}),
        )
        for number in range(20_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE webhooks_receipt")
    row = start(None, DEAD, rate=10_000, by="ops")
    with CaptureQueriesContext(connection) as queries:
        assert run_to_end(row).replayed == 15_000
    pages = [it["sql"] for it in queries if "LIMIT 150" in it["sql"]]
    assert len(pages) >= 4
    with connection.cursor() as cursor:
        for page in (*pages[:3], pages[len(pages) // 2]):
            cursor.execute(f"EXPLAIN {page}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "receipt_source_dead" in plan
            assert "Sort" not in plan
            assert " Filter" not in plan


def test_count_stops_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 2)
    source = make_source()
    for _ in range(3):
        make_dead(source)
    assert preview(None, DEAD) == ReceiptCount(2, is_lower_bound=True)
    row = start(None, DEAD, by="ops")
    assert (row.total, row.is_lower_bound) == (2, True)
    assert run_to_end(row).replayed == 3
    assert states_of(row).is_lower_bound


def test_worker_without_celery_runs_replays() -> None:
    receipt = make_dead()
    start(None, DEAD, by="ops")
    assert run_once() == 1
    receipt.refresh_from_db()
    assert receipt.state == "processed"


def test_old_replays_are_deleted_and_running_ones_kept() -> None:
    old = timezone.now() - timedelta(days=100)
    ReceiptReplay.objects.create(filter={}, state="finished", finished_at=old)
    kept = [ReceiptReplay.objects.create(filter={}, created_at=old), ReceiptReplay.objects.create(filter={})]
    delete_statistics(timezone.now())
    assert set(ReceiptReplay.objects.all()) == set(kept)
