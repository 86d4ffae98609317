"""Test that receipts of one order key run in order, each after the one before it has ended, whatever fails."""

import threading
from collections import defaultdict
from datetime import timedelta
from random import Random

import pytest
from django.db import connections
from django.utils import timezone

from tests.factories_receiver import make_receipt, make_source
from webhooks.models import Receipt
from webhooks.processing.handlers import GiveUp, RetryLater, handles
from webhooks.processing.process import process_due
from webhooks.processing.running import handler_runs

pytestmark = [pytest.mark.usefixtures("receiver", "rules")]


def make_all_due() -> None:
    late = timezone.now() - timedelta(seconds=1)
    Receipt.objects.filter(due_at__isnull=False, claim_token=None).update(due_at=late)


@pytest.mark.django_db
@pytest.mark.parametrize("error", [ValueError("x"), RetryLater(60)])
def test_receipts_behind_one_that_is_not_finished_wait_and_use_no_attempt(error: Exception) -> None:
    fails = {"2"}
    seen = []

    @handles()
    def book(receipt: Receipt) -> None:
        seen.append(receipt.message_id)
        if receipt.message_id in fails:
            raise error

    source = make_source()
    for number in range(1, 5):
        make_receipt(source, message_id=str(number), order_key="k")
    make_receipt(source, message_id="other", order_key="o")
    process_due()
    assert sorted(seen) == ["1", "2", "other"]
    assert list(Receipt.objects.filter(message_id__in=["3", "4"]).values_list("attempts", "claims")) == [(0, 0), (0, 0)]
    fails.clear()
    seen.clear()
    make_all_due()
    process_due()
    assert seen == ["2", "3", "4"]


@pytest.mark.django_db
def test_receipts_behind_a_dead_one_run() -> None:
    seen = []

    @handles()
    def book(receipt: Receipt) -> None:
        seen.append(receipt.message_id)
        if receipt.message_id == "1":
            raise GiveUp

    source = make_source()
    for number in range(1, 4):
        make_receipt(source, message_id=str(number), order_key="k")
    process_due()
    assert seen == ["1", "2", "3"]


@pytest.mark.django_db
def test_receipt_that_is_too_slow_for_a_group_ends_before_the_next_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_runs, "GROUP_LIMIT", 0.05)
    ended = []

    @handles()
    def book(receipt: Receipt) -> None:
        if receipt.message_id == "1":
            threading.Event().wait(0.2)
        ended.append(receipt.message_id)

    source = make_source()
    for number in range(1, 4):
        make_receipt(source, message_id=str(number), order_key="k")
    for _ in range(20):
        process_due()
        make_all_due()
    assert ended == ["1", "2", "3"]


def work_until_none_is_due() -> None:
    try:
        for _ in range(2000):
            if not Receipt.objects.filter(due_at__isnull=False).exists():
                break
            process_due(0.2)
            make_all_due()
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_workers_side_by_side_keep_the_order_of_every_key() -> None:
    """Handlers fail at random; no receipt ends before an earlier one of its key, and each ends once."""
    random, lock = Random(7), threading.Lock()
    ended: defaultdict[str, list[int]] = defaultdict(list)

    @handles()
    def book(receipt: Receipt) -> None:
        with lock:
            chance = random.random()
        if chance < 0.1:
            raise RetryLater(0)
        if chance < 0.2:
            raise ValueError("by chance")
        Receipt.objects.filter(pk=receipt.pk).update(content_type="seen")

    source = make_source(retry_plan=[1] * 50)
    for number in range(120):
        make_receipt(source, message_id=f"{number:03}", order_key=f"k{number % 3}")

    threads = [threading.Thread(target=work_until_none_is_due) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    rows = Receipt.objects.order_by("processed_at", "id").values_list("order_key", "message_id", "processed_at")
    assert all(processed is not None for _, _, processed in rows)
    for key, message_id, _ in rows:
        ended[key].append(int(message_id))
    assert {key: numbers == sorted(numbers) for key, numbers in ended.items()} == {"k0": True, "k1": True, "k2": True}
