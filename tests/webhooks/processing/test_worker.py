"""Test the worker that runs without Celery."""

import threading
from io import StringIO
from queue import Queue
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, connections

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


@pytest.mark.django_db(transaction=True)
def test_run_worker_goes_on_after_its_connection_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(worker, "FIRST_PAUSE", 0.01)
    stop, backends, handled = threading.Event(), Queue[int](), Queue[str]()
    own_process_due = worker.process_due

    def end_connection_once(seconds: float) -> int:
        connection.ensure_connection()
        backends.put(connection.connection.info.backend_pid)
        ended.wait()
        return own_process_due(seconds)

    ended = threading.Event()
    monkeypatch.setattr(worker, "process_due", end_connection_once)

    @handles()
    def notes(receipt: Receipt) -> None:
        handled.put(receipt.message_id)

    def run() -> None:
        worker.run_worker(stop)
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 60000)", [backends.get()])
    make_receipt(message_id="after")
    ended.set()
    assert handled.get() == "after"
    stop.set()
    thread.join()


def test_run_worker_goes_on_after_any_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(worker, "connections", SimpleNamespace(close_all=lambda: None))  # the test's transaction
    monkeypatch.setattr(worker, "close_old_connections", lambda: None)
    stop, errors = threading.Event(), [OperationalError("the database is restarting"), RuntimeError("a bug")]

    def fails(_seconds: float) -> int:
        if errors:
            raise errors.pop()
        stop.set()
        return 0

    monkeypatch.setattr(worker, "process_due", fails)
    worker.run_worker(stop)
    assert errors == []
