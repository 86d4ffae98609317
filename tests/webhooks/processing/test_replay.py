"""Receipts come back to their handlers when somebody asks, once however often."""

import pytest

from tests.factories_receiver import make_receipt, make_source
from webhooks.models import Receipt
from webhooks.processing import replay as module
from webhooks.processing.handlers import GiveUp, handles
from webhooks.processing.process import process_due
from webhooks.processing.replay import ReplayResult, count_replayable, replay

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]


def test_a_dead_receipt_comes_back_with_its_whole_plan_and_can_succeed(notifications) -> None:
    broken = True

    @handles()
    def works_when_mended(receipt: Receipt) -> None:
        if broken:
            raise GiveUp("not yet")

    receipt = make_receipt()
    process_due()
    broken = False
    assert replay(Receipt.objects.all()) == ReplayResult(1, remaining=0)
    receipt.refresh_from_db()
    assert (receipt.state, receipt.attempts, receipt.cause) == ("pending", 0, "")
    assert notifications.calls == 1
    process_due()
    receipt.refresh_from_db()
    assert receipt.state == "processed"


def test_a_second_click_changes_nothing(notifications) -> None:
    make_receipt()
    process_due()
    assert [replay(Receipt.objects.all()).replayed for _ in range(2)] == [1, 0]
    assert notifications.calls == 1


def test_a_receipt_that_is_due_or_under_work_is_left_alone() -> None:
    receipt = make_receipt(attempts=3)
    assert count_replayable(Receipt.objects.all()) == 0
    assert replay(Receipt.objects.all()) == ReplayResult(0, remaining=0)
    receipt.refresh_from_db()
    assert receipt.attempts == 3


def test_many_are_brought_back_oldest_first_a_bounded_number_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PER_CALL", 5)
    monkeypatch.setattr(module, "UPDATE_BATCH", 2)
    source = make_source()
    receipts = [make_receipt(source) for _ in range(7)]
    process_due()
    assert count_replayable(Receipt.objects.all()) == 5
    assert replay(Receipt.objects.all()) == ReplayResult(5, remaining=2)
    assert set(Receipt.objects.filter(due_at__isnull=False)) == set(receipts[:5])
    assert replay(Receipt.objects.all()) == ReplayResult(2, remaining=0)
