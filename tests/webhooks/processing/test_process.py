"""Test that the handlers of a receipt run once, in one transaction, and are retried."""

import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from tests.factories_receiver import make_receipt, make_source
from webhooks.models import Receipt, Rejection, Source
from webhooks.processing import process, receipts
from webhooks.processing.handlers import GiveUp, RetryLater, handles
from webhooks.processing.process import process_due
from webhooks.processing.receipts import MAX_HISTORY, attempts_of
from webhooks.processing.running import handler_runs
from webhooks.processing.running.retry_plan import DEFAULT_PLAN
from webhooks.processing.turns.claims import claim_group, claim_suspect

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]


def make_due(receipt: Receipt) -> None:
    """Make the receipt due now."""
    Receipt.objects.filter(pk=receipt.pk).update(due_at=timezone.now() - timedelta(seconds=1))


def write_mark(receipt: Receipt) -> None:
    """Write a row that tests count."""
    Rejection.objects.create(source=receipt.source, reason="mark", size=0)


def test_process_due_handles_a_receipt_once_and_settles_it() -> None:
    handles()(write_mark)
    receipt = make_receipt()
    assert (process_due(), process_due()) == (1, 0)
    receipt.refresh_from_db()
    assert (receipt.state, receipt.attempts, receipt.claim_token) == ("processed", 1, None)
    assert receipt.handled_by == [f"{__name__}.write_mark"]
    assert Rejection.objects.count() == 1


def test_failed_handler_rolls_back_its_writes_and_uses_an_attempt() -> None:
    @handles()
    def writes_then_fails(receipt: Receipt) -> None:
        write_mark(receipt)
        raise RuntimeError("half way")

    receipt = make_receipt()
    process_due()
    receipt.refresh_from_db()
    assert not Rejection.objects.exists()
    assert (receipt.state, receipt.attempts) == ("pending", 1)
    assert receipt.last_error.endswith("writes_then_fails: RuntimeError: half way")
    assert receipt.due_at > timezone.now()


def test_failed_handler_rolls_back_the_writes_of_the_others() -> None:
    handles()(write_mark)

    @handles()
    def fails(receipt: Receipt) -> None:
        raise RuntimeError

    make_receipt()
    process_due()
    assert not Rejection.objects.exists()


def test_receipt_without_handlers_is_processed_with_none() -> None:
    receipt = make_receipt()
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.handled_by) == ("processed", [])


def test_receipt_that_exhausts_its_plan_is_dead_with_the_last_error() -> None:
    @handles()
    def fails(receipt: Receipt) -> None:
        raise RuntimeError("no\0 luck")

    receipt = make_receipt()
    for _ in range(len(DEFAULT_PLAN) + 1):
        make_due(receipt)
        process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.cause, receipt.attempts) == ("dead", "exhausted", len(DEFAULT_PLAN) + 1)
    assert "no luck" in receipt.last_error
    assert process_due() == 0


def test_give_up_makes_the_receipt_dead_at_once() -> None:
    @handles()
    def gives_up(receipt: Receipt) -> None:
        raise GiveUp("no such customer")

    receipt = make_receipt()
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.cause, receipt.attempts) == ("dead", "handler_gave_up", 1)


def test_retry_later_uses_no_attempt() -> None:
    @handles()
    def waits(receipt: Receipt) -> None:
        raise RetryLater(600)

    receipt = make_receipt()
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.attempts) == ("pending", 0)
    assert timedelta(minutes=9) < receipt.due_at - timezone.now() < timedelta(minutes=11)


@pytest.mark.parametrize("seconds", [float("nan"), "soon", None])
def test_retry_later_without_a_number_is_a_failure(seconds: Any) -> None:
    @handles()
    def waits(receipt: Receipt) -> None:
        raise RetryLater(seconds)

    receipt = make_receipt()
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.attempts) == ("pending", 1)


def test_claimed_receipts_not_started_in_time_are_released_uncounted(monkeypatch) -> None:
    monkeypatch.setattr(process, "RELEASE_AFTER", 0)
    monkeypatch.setattr(process, "MAX_GROUP", 1)
    source = make_source()
    for _ in range(3):
        make_receipt(source)
    claimed = claim_group(20)
    assert process.process_claimed(claimed) == 1
    assert claim_group(20) == claimed[1:]
    assert set(Receipt.objects.filter(due_at__isnull=False).values_list("claims", flat=True)) == {1}


def test_sources_of_a_claim_run_in_turns() -> None:
    seen: list[str] = []
    handles()(lambda receipt: seen.append(receipt.message_id[0]))
    for name in "ab":
        source = make_source()
        for number in range(4):
            make_receipt(source, message_id=f"{name}{number}")
    process_due()
    assert [set(seen[turn : turn + 2]) for turn in range(0, 8, 2)] == [{"a", "b"}] * 4


def test_tenant_that_has_used_its_time_in_a_claim_waits_for_the_next_and_others_run(monkeypatch) -> None:
    monkeypatch.setattr(process, "TENANT_SECONDS", 1.0)
    monkeypatch.setattr(process, "MAX_GROUP", 2)
    slow, fast = make_source(handler_timeout_seconds=60), make_source()
    monkeypatch.setattr(process, "RELEASE_AFTER", 3600.0)
    monkeypatch.setattr(handler_runs, "GROUP_LIMIT", 60.0)
    handles(slow.public_id)(lambda receipt: time.sleep(1.1))
    for source in (slow, fast):
        for _ in range(4):
            make_receipt(source)
    claimed = claim_group(20)
    assert process.process_claimed(claimed) == 5
    due = Receipt.objects.filter(due_at__isnull=False)
    assert set(due.values_list("source_id", "claims", "claim_token")) == {(slow.id, 0, None)}


def test_receipt_that_crashes_its_worker_repeatedly_is_dead_and_others_are_processed() -> None:
    @handles()
    def ends_the_worker(receipt: Receipt) -> None:
        if receipt.message_id == "killer":
            raise KeyboardInterrupt

    killer = make_receipt(message_id="killer")
    neighbour = make_receipt(source=killer.source)
    for _ in range(process.MAX_CLAIMS):
        make_due(killer)
        make_due(neighbour)
        with pytest.raises(KeyboardInterrupt):
            process_due()
    make_due(killer)
    process_due()
    killer.refresh_from_db()
    neighbour.refresh_from_db()
    assert (killer.state, killer.cause, killer.attempts) == ("dead", "crashed_worker", 0)
    assert neighbour.state == "processed"


def test_expired_claim_makes_its_receipt_due_again() -> None:
    receipt = make_receipt()
    assert claim_group(1) == [receipt]
    assert (claim_group(1), claim_suspect()) == ([], [])
    make_due(receipt)
    assert (claim_group(1), claim_suspect()) == ([], [receipt])


def test_process_with_a_lost_claim_runs_no_handler() -> None:
    handles()(write_mark)
    receipt = make_receipt()
    (stalled,) = claim_group(1)
    make_due(receipt)
    (owner,) = claim_suspect()
    process.process(stalled)
    assert not Rejection.objects.exists()
    process.process(owner)
    receipt.refresh_from_db()
    assert receipt.state == "processed"


@pytest.mark.parametrize("values", [{}, {"retry_in": 60.0}, {"cause": "crashed_worker"}])
def test_settling_with_a_lost_claim_changes_nothing(values: dict[str, Any]) -> None:
    receipt = make_receipt()
    (stalled,) = claim_group(1)
    make_due(receipt)
    (owner,) = claim_suspect()
    receipts.settle([receipts.ReceiptResult(stalled.id, stalled.claim_token, 1, **values)])
    receipt.refresh_from_db()
    assert (receipt.claim_token, receipt.attempts, receipt.state) == (owner.claim_token, 0, "pending")


def test_pending_receipt_blocks_later_ones_of_its_order_key() -> None:
    seen = []

    @handles()
    def notes(receipt: Receipt) -> None:
        seen.append(receipt.message_id)
        if receipt.message_id == "1" and receipt.attempts == 0:
            raise RuntimeError

    source = make_source()
    first = make_receipt(source, message_id="1", order_key="k")
    make_receipt(source, message_id="2", order_key="k")
    make_receipt(source, message_id="3", order_key="other")
    make_receipt(make_source(), message_id="4", order_key="k")
    process_due()
    assert sorted(seen) == ["1", "3", "4"]
    make_due(first)
    process_due()
    assert seen[-2:] == ["1", "2"]


def test_dead_receipt_does_not_block_its_order_key() -> None:
    @handles()
    def gives_up_on_the_first(receipt: Receipt) -> None:
        if receipt.message_id == "1":
            raise GiveUp

    source = make_source()
    make_receipt(source, message_id="1", order_key="k")
    second = make_receipt(source, message_id="2", order_key="k")
    process_due()
    second.refresh_from_db()
    assert second.state == "processed"


def test_handler_that_breaks_the_transaction_is_a_failure() -> None:
    @handles()
    def breaks(receipt: Receipt) -> None:
        Source.objects.extra(where=["1/0 = 1"]).exists()

    receipt = make_receipt()
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.attempts) == ("pending", 1)


def test_retry_plan_of_the_source_is_used() -> None:
    @handles()
    def fails(receipt: Receipt) -> None:
        raise RuntimeError

    receipt = make_receipt(make_source(retry_plan=[600]))
    process_due()
    receipt.refresh_from_db()
    assert timedelta(minutes=7) < receipt.due_at - timezone.now() < timedelta(minutes=13)
    make_due(receipt)
    process_due()
    receipt.refresh_from_db()
    assert (receipt.cause, receipt.attempts) == ("exhausted", 2)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("hangs", ["in Python", "in a query"])
def test_hanging_handler_is_interrupted_and_rolled_back(hangs: str) -> None:
    @handles()
    def hangs_somewhere(receipt: Receipt) -> None:
        write_mark(receipt)
        if hangs == "in Python":
            time.sleep(3600)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(3600)")

    receipt = make_receipt(make_source(handler_timeout_seconds=1))
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.attempts) == ("pending", 1)
    assert receipt.last_error.endswith("hangs_somewhere: HandlerTimeout: took longer than 1 s")
    assert not Rejection.objects.exists()


KILLED = """
import os, signal, sys
import django
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[1]
from webhooks.processing.handlers import handles
from webhooks.models import Rejection
from webhooks.processing.process import process_due

@handles()
def writes_and_is_killed(receipt):
    Rejection.objects.create(source=receipt.source, reason="mark", size=0)
    os.kill(os.getpid(), signal.SIGKILL)

process_due()
"""


@pytest.mark.django_db(transaction=True)
def test_worker_killed_in_a_handler_leaves_only_a_claim_that_expires() -> None:
    receipt, neighbour = make_receipt(), make_receipt()
    name = str(connection.settings_dict["NAME"])
    worker = subprocess.run([sys.executable, "-c", KILLED, name], capture_output=True, text=True, check=False)
    assert worker.returncode == -signal.SIGKILL, worker.stderr
    receipt.refresh_from_db()
    assert not Rejection.objects.exists()
    assert (receipt.state, receipt.attempts, receipt.claims) == ("pending", 0, 1)
    assert process_due() == 0
    handles()(write_mark)
    make_due(receipt)
    make_due(neighbour)
    assert process_due() == 2
    assert set(Receipt.objects.values_list("attempts", "due_at")) == {(1, None)}
    assert Rejection.objects.count() == 2


def test_source_with_an_unknown_handler_fails_with_its_name() -> None:
    receipt = make_receipt(make_source(handlers=[{"handler": "gone"}]))
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, "UnknownHandler: gone" in receipt.last_error) == ("pending", True)


def test_process_due_out_of_time_notifies_another_worker(notifications) -> None:
    make_receipt()
    assert process_due(seconds=0) == 0
    assert notifications.calls == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_workers_handle_each_receipt_once() -> None:
    source = make_source()
    for _ in range(40):
        make_receipt(source)
    handles()(write_mark)
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        process_due()
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Rejection.objects.count() == 40
    assert not Receipt.objects.exclude(attempts=1, due_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_receipt_whose_handler_outlasts_its_claim_is_not_claimed_again() -> None:
    runs, inside, go_on = [], threading.Event(), threading.Event()

    @handles()
    def takes_long(receipt: Receipt) -> None:
        runs.append(receipt.pk)
        inside.set()
        go_on.wait()

    receipt = make_receipt()
    worker = threading.Thread(target=lambda: (process_due(), connections.close_all()))
    worker.start()
    inside.wait()
    with transaction.atomic():  # the claim has expired by the clock
        claimed = Receipt.objects.select_for_update(skip_locked=True).filter(pk=receipt.pk)
        assert not claimed.exists()
    assert (claim_group(1), claim_suspect()) == ([], [])
    go_on.set()
    worker.join()
    receipt.refresh_from_db()
    assert (runs, receipt.state) == ([receipt.pk], "processed")


def test_failed_runs_are_listed_with_tracebacks_before_the_one_that_succeeded(caplog: pytest.LogCaptureFixture) -> None:
    fails = True

    @handles()
    def book(receipt: Receipt) -> None:
        if fails:
            raise LookupError("no such order")

    receipt = make_receipt()
    process_due()
    receipt.refresh_from_db()
    assert receipt.last_error.endswith("book: LookupError: no such order")
    (failed,) = attempts_of(receipt)
    assert (failed.number, failed.outcome, failed.error) == (1, "failed", receipt.last_error)
    assert 'raise LookupError("no such order")' in failed.traceback
    (record,) = [record for record in caplog.records if "handler failed" in record.getMessage()]
    assert (record.levelname, record.name) == ("ERROR", "waypost.receiver")
    fails = False
    make_due(receipt)
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.last_error) == ("processed", "")
    latest, first = attempts_of(receipt)
    assert (latest.number, latest.outcome, latest.error, latest.traceback) == (2, "processed", "", "")
    assert (first, latest.ended_at > first.ended_at) == (failed, True)


def test_receipt_keeps_its_latest_runs_only() -> None:
    @handles()
    def book(receipt: Receipt) -> None:
        raise RetryLater(60)

    receipt = make_receipt()
    Receipt.objects.update(history=[{"number": 0, "ended_at": "2026-01-01T00:00:00+00:00", "outcome": "failed"}] * 20)
    process_due()
    receipt.refresh_from_db()
    found = attempts_of(receipt)
    assert len(found) == MAX_HISTORY
    assert (found[0].outcome, found[0].number, found[-1].outcome) == ("retry_later", 1, "failed")
