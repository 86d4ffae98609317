"""Test that settled receipts can be replayed."""

import pytest

from tests.factories_receiver import make_receipt, make_source
from webhooks.models import Receipt
from webhooks.processing import replay as module
from webhooks.processing.handlers import GiveUp, handles
from webhooks.processing.process import process_due
from webhooks.processing.replay import ReplayResult, count_replayable, replay

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]


def test_replay_of_a_dead_receipt_restarts_its_retry_plan(notifications) -> None:
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


def test_replay_twice_changes_nothing_the_second_time(notifications) -> None:
    make_receipt()
    process_due()
    assert [replay(Receipt.objects.all()).replayed for _ in range(2)] == [1, 0]
    assert notifications.calls == 1


def test_replay_skips_a_pending_receipt() -> None:
    receipt = make_receipt(attempts=3)
    assert count_replayable(Receipt.objects.all()) == 0
    assert replay(Receipt.objects.all()) == ReplayResult(0, remaining=0)
    receipt.refresh_from_db()
    assert receipt.attempts == 3


def test_replay_of_many_takes_the_oldest_up_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PER_CALL", 5)
    monkeypatch.setattr(module, "UPDATE_BATCH", 2)
    source = make_source()
    receipts = [make_receipt(source) for _ in range(7)]
    process_due()
    assert count_replayable(Receipt.objects.all()) == 5
    assert replay(Receipt.objects.all()) == ReplayResult(5, remaining=2)
    assert set(Receipt.objects.filter(due_at__isnull=False)) == set(receipts[:5])
    assert replay(Receipt.objects.all()) == ReplayResult(2, remaining=0)
