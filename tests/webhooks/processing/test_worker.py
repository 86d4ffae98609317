"""Test the worker that runs without Celery."""

import threading
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connections

from tests.factories_receiver import make_receipt
from webhooks.models import Receipt
from webhooks.processing import worker
from webhooks.processing.handlers import handles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]


def test_command_with_once_ends_when_nothing_is_due() -> None:
    for _ in range(3):
        make_receipt()
    out = StringIO()
    call_command("process_receipts", "--once", stdout=out)
    assert out.getvalue() == "3 processed\n"
    assert not Receipt.objects.filter(due_at__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_run_worker_processes_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.01)
    stop, second = threading.Event(), threading.Event()

    @handles()
    def notes(receipt: Receipt) -> None:
        if receipt.message_id == "second":
            second.set()

    def run() -> None:
        worker.run_worker(stop)
        connections.close_all()

    make_receipt(message_id="first")
    thread = threading.Thread(target=run)
    thread.start()
    make_receipt(message_id="second")
    assert second.wait(60)
    stop.set()
    thread.join()
    assert not Receipt.objects.filter(processed_at=None).exists()
