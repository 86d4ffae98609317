"""From a kept receipt to its handlers: once, wholly or not at all, and never forgotten."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
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
from webhooks.processing.retry_plan import DEFAULT_PLAN

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]


def due_again(receipt: Receipt) -> None:
    """Let the wait be over."""
    Receipt.objects.filter(pk=receipt.pk).update(due_at=timezone.now() - timedelta(seconds=1))


def leave_a_mark(receipt: Receipt) -> None:
    """An effect in the database that one can count."""
    Rejection.objects.create(source=receipt.source, reason="mark", size=0)


def test_a_due_receipt_is_handled_once_and_at_rest_afterwards() -> None:
    handles()(leave_a_mark)
    receipt = make_receipt()
    assert (process_due(), process_due()) == (1, 0)
    receipt.refresh_from_db()
    assert (receipt.state, receipt.attempts, receipt.claim_token) == ("processed", 1, None)
    assert receipt.handled_by == [f"{__name__}.leave_a_mark"]
    assert Rejection.objects.count() == 1


def test_what_a_handler_wrote_and_the_receipts_state_commit_together() -> None:
    @handles()
    def writes_then_fails(receipt: Receipt) -> None:
        leave_a_mark(receipt)
        raise RuntimeError("half way")

    receipt = make_receipt()
    process_due()
    receipt.refresh_from_db()
    assert not Rejection.objects.exists()
    assert (receipt.state, receipt.attempts) == ("pending", 1)
    assert receipt.last_error.endswith("writes_then_fails: RuntimeError: half way")
    assert receipt.due_at > timezone.now()


def test_one_failing_handler_takes_back_what_the_others_wrote() -> None:
    handles()(leave_a_mark)

    @handles()
    def fails(receipt: Receipt) -> None:
        raise RuntimeError

    make_receipt()
    process_due()
    assert not Rejection.objects.exists()


def test_a_receipt_nobody_wants_is_processed_by_nobody() -> None:
    receipt = make_receipt()
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.handled_by) == ("processed", [])


def test_a_receipt_that_fails_to_the_end_of_the_plan_is_dead_with_its_last_error() -> None:
    @handles()
    def fails(receipt: Receipt) -> None:
        raise RuntimeError("no\0 luck")

    receipt = make_receipt()
    for _ in range(len(DEFAULT_PLAN) + 1):
        due_again(receipt)
        process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.cause, receipt.attempts) == ("dead", "exhausted", len(DEFAULT_PLAN) + 1)
    assert "no luck" in receipt.last_error
    assert process_due() == 0


def test_a_handler_that_gives_up_makes_the_receipt_dead_at_once() -> None:
    @handles()
    def gives_up(receipt: Receipt) -> None:
        raise GiveUp("no such customer")

    receipt = make_receipt()
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.cause, receipt.attempts) == ("dead", "handler_gave_up", 1)


def test_later_costs_no_attempt() -> None:
    @handles()
    def waits(receipt: Receipt) -> None:
        raise RetryLater(600)

    receipt = make_receipt()
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.attempts) == ("pending", 0)
    assert timedelta(minutes=9) < receipt.due_at - timezone.now() < timedelta(minutes=11)


@pytest.mark.parametrize("seconds", [float("nan"), "soon", None])
def test_later_at_no_time_is_a_failure_like_any_other(seconds: Any) -> None:
    @handles()
    def waits(receipt: Receipt) -> None:
        raise RetryLater(seconds)

    receipt = make_receipt()
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.attempts) == ("pending", 1)


def test_many_are_claimed_at_once_and_of_a_key_only_the_oldest() -> None:
    source = make_source()
    first, _, other = [make_receipt(source, order_key=key) for key in ("k", "k", "other")]
    loose = [make_receipt(source) for _ in range(3)]
    assert receipts.claim(20) == [first, other, *loose]
    assert receipts.claim(20) == []


def test_a_receipt_whose_claim_ended_without_a_word_is_claimed_alone() -> None:
    receipt, *others = [make_receipt() for _ in range(3)]
    receipts.claim(1)
    due_again(receipt)
    assert receipts.claim(20) == [receipt]
    assert receipts.claim(20) == others


def test_a_suspect_does_not_go_along_with_others() -> None:
    older, suspect, younger = [make_receipt() for _ in range(3)]
    Receipt.objects.filter(pk=suspect.pk).update(claims=1)
    assert receipts.claim(20) == [older, younger]
    assert receipts.claim(20) == [suspect]


def test_what_was_claimed_and_waits_for_long_is_given_back_as_if_it_had_not_been(monkeypatch) -> None:
    monkeypatch.setattr(process, "RELEASE_AFTER", 0)
    for _ in range(3):
        make_receipt()
    claimed = receipts.claim(20)
    assert process.process_claimed(claimed) == 1
    assert receipts.claim(20) == claimed[1:]
    assert set(Receipt.objects.filter(due_at__isnull=False).values_list("claims", flat=True)) == {1}


def test_a_receipt_that_ends_its_worker_again_and_again_is_poison_and_its_neighbours_live() -> None:
    @handles()
    def ends_the_worker(receipt: Receipt) -> None:
        if receipt.message_id == "killer":
            raise KeyboardInterrupt

    killer = make_receipt(message_id="killer")
    neighbour = make_receipt(source=killer.source)
    for _ in range(process.MAX_CLAIMS):
        due_again(killer)
        with pytest.raises(KeyboardInterrupt):
            process_due()
    due_again(killer)
    process_due()
    killer.refresh_from_db()
    neighbour.refresh_from_db()
    assert (killer.state, killer.cause, killer.attempts) == ("dead", "crashed_worker", 0)
    assert neighbour.state == "processed"


def test_a_claim_that_was_cut_off_is_due_again_when_it_runs_out() -> None:
    receipt = make_receipt()
    assert receipts.claim(1) == [receipt]
    assert receipts.claim(1) == []
    due_again(receipt)
    assert receipts.claim(1) == [receipt]


def test_a_receipt_that_was_claimed_by_another_is_left_to_its_new_owner() -> None:
    handles()(leave_a_mark)
    receipt = make_receipt()
    (stalled,) = receipts.claim(1)
    due_again(receipt)
    (owner,) = receipts.claim(1)
    process.process(stalled)
    assert not Rejection.objects.exists()
    process.process(owner)
    receipt.refresh_from_db()
    assert receipt.state == "processed"


@pytest.mark.parametrize("settle", ["finish", "put_off", "bury"])
def test_nothing_is_settled_without_the_token(settle: str) -> None:
    receipt = make_receipt()
    (stalled,) = receipts.claim(1)
    due_again(receipt)
    (owner,) = receipts.claim(1)
    calls: dict[str, Callable[[], None]] = {
        "finish": lambda: receipts.mark_processed(stalled, []),
        "put_off": lambda: receipts.reschedule(stalled, 60, "", attempts=1),
        "bury": lambda: receipts.mark_dead(stalled, "crashed_worker", "", attempts=1),
    }
    calls[settle]()
    receipt.refresh_from_db()
    assert (receipt.claim_token, receipt.attempts, receipt.state) == (owner.claim_token, 0, "pending")


def test_of_an_ordering_key_the_oldest_unfinished_goes_first_and_blocks_the_rest() -> None:
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
    due_again(first)
    process_due()
    assert seen[-2:] == ["1", "2"]


def test_a_dead_head_lets_its_key_go_on() -> None:
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


def test_a_handler_that_breaks_the_transaction_is_a_failure_like_any_other() -> None:
    @handles()
    def breaks(receipt: Receipt) -> None:
        Source.objects.extra(where=["1/0 = 1"]).exists()

    receipt = make_receipt()
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.attempts) == ("pending", 1)


def test_a_source_may_have_a_plan_of_its_own() -> None:
    @handles()
    def fails(receipt: Receipt) -> None:
        raise RuntimeError

    receipt = make_receipt(make_source(retry_plan=[600]))
    process_due()
    receipt.refresh_from_db()
    assert timedelta(minutes=7) < receipt.due_at - timezone.now() < timedelta(minutes=13)
    due_again(receipt)
    process_due()
    receipt.refresh_from_db()
    assert (receipt.cause, receipt.attempts) == ("exhausted", 2)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("hangs", ["in Python", "in a query"])
def test_a_handler_that_hangs_is_ended_and_what_it_wrote_is_taken_back(hangs: str) -> None:
    @handles()
    def hangs_somewhere(receipt: Receipt) -> None:
        leave_a_mark(receipt)
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
def test_a_worker_that_is_killed_in_a_handler_leaves_nothing_but_a_claim_that_runs_out() -> None:
    receipt, neighbour = make_receipt(), make_receipt()
    name = str(connection.settings_dict["NAME"])
    worker = subprocess.run([sys.executable, "-c", KILLED, name], capture_output=True, text=True, check=False)
    assert worker.returncode == -signal.SIGKILL, worker.stderr
    receipt.refresh_from_db()
    assert not Rejection.objects.exists()
    assert (receipt.state, receipt.attempts, receipt.claims) == ("pending", 0, 1)
    assert process_due() == 0
    handles()(leave_a_mark)
    due_again(receipt)
    due_again(neighbour)
    assert process_due() == 2
    assert set(Receipt.objects.values_list("attempts", "due_at")) == {(1, None)}
    assert Rejection.objects.count() == 2


def test_a_source_that_names_a_handler_that_is_gone_fails_visibly() -> None:
    receipt = make_receipt(make_source(handlers=[{"handler": "gone"}]))
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, "UnknownHandler: gone" in receipt.last_error) == ("pending", True)


def test_a_drain_whose_turn_is_over_rings_for_a_successor(notifications) -> None:
    make_receipt()
    assert process_due(seconds=0) == 0
    assert notifications.calls == 1


@pytest.mark.django_db(transaction=True)
def test_many_workers_handle_each_receipt_exactly_once() -> None:
    source = make_source()
    for _ in range(40):
        make_receipt(source)
    handles()(leave_a_mark)
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
def test_a_receipt_whose_handler_outlasts_its_claim_is_not_handled_twice_at_once() -> None:
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
    with transaction.atomic():  # its claim has run out as far as the clock is concerned
        claimed = Receipt.objects.select_for_update(skip_locked=True).filter(pk=receipt.pk)
        assert not claimed.exists()
    assert receipts.claim(1) == []
    go_on.set()
    worker.join()
    receipt.refresh_from_db()
    assert (runs, receipt.state) == ([receipt.pk], "processed")
