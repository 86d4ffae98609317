"""Test that a request that waits for handlers gets their result by a notification, and never fails or blocks others."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from django.db import connection

from tests.factories_receiver import make_receipt, make_source
from tests.waiting import wait_until
from webhooks.kit.process.open_files import raise_limit
from webhooks.models import Receipt
from webhooks.processing import handler_waits
from webhooks.processing.handler_waits import HandlerWaits, stop_waits, wait_for_handlers
from webhooks.processing.handlers import GiveUp, RetryLater, handles
from webhooks.processing.notify import HANDLED_CHANNEL, MAX_STATES, notify_waiters, read_states
from webhooks.processing.process import process_due
from webhooks.wire.ids import new_id

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("receiver", "rules")]

LONG = 3600.0  # seconds; a wait that is expected to end before


@pytest.fixture
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave only the first look at a row, and notifications."""
    monkeypatch.setattr(handler_waits, "POLL_EVERY", LONG)


def listeners() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = %s",
            [f'LISTEN "{HANDLED_CHANNEL}"'],
        )
        return [pid for (pid,) in cursor.fetchall()]


def wait_until_listening() -> None:
    """Wait until the thread listens and has read the rows of all waits."""
    wait_until(lambda: listeners() and not handler_waits._waits()._unread, "the listener")


def end_session(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])


@contextmanager
def no_new_connections() -> Iterator[None]:
    """Have the database refuse connections, as during a restart."""
    name = connection.settings_dict["NAME"]
    parameters = connection.get_connection_params() | {"dbname": "postgres"}
    with closing(psycopg.connect(**parameters, autocommit=True)) as outside:
        outside.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            yield
        finally:
            outside.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@pytest.mark.usefixtures("no_polls")
@pytest.mark.parametrize(("error", "state"), [(None, "processed"), (RuntimeError(), "pending"), (GiveUp(), "dead")])
def test_wait_ends_by_the_notification_of_the_result(error: Exception | None, state: str) -> None:
    @handles()
    def works(receipt: Receipt) -> None:
        if error is not None:
            raise error

    receipt = make_receipt(make_source(response_when="processed"))
    future = wait_for_handlers(receipt.id, receipt.source_id, LONG)
    wait_until_listening()
    assert not future.done()
    process_due()
    assert future.result() == state


def test_wait_for_a_receipt_that_has_a_result_ends_by_its_row() -> None:
    receipt = make_receipt()
    process_due()
    assert wait_for_handlers(receipt.id, receipt.source_id, LONG).result() == "processed"


def test_wait_works_in_a_process_with_more_open_files_than_select_can_watch() -> None:
    raise_limit()
    with ExitStack() as files:
        for _ in range(1_100):
            files.enter_context(Path(os.devnull).open("rb"))
        assert wait_for_handlers(new_id(), new_id(), LONG).result() == "processed"
        stop_waits()


def test_wait_for_a_receipt_that_was_deleted_is_processed() -> None:
    assert wait_for_handlers(new_id(), new_id(), LONG).result() == "processed"


def test_wait_without_a_notification_ends_by_a_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_waits, "POLL_EVERY", 0.05)
    receipt = make_receipt(make_source(response_when="stored"))
    future = wait_for_handlers(receipt.id, receipt.source_id, LONG)
    wait_until_listening()
    process_due()
    assert future.result() == "processed"


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_wait_ends_as_pending_when_its_time_is_over(seconds: float) -> None:
    receipt = make_receipt()
    assert wait_for_handlers(receipt.id, receipt.source_id, seconds).result() == "pending"


def test_retry_later_does_not_end_the_wait() -> None:
    @handles()
    def waits(receipt: Receipt) -> None:
        raise RetryLater(600)

    receipt = make_receipt(make_source(response_when="processed"))
    future = wait_for_handlers(receipt.id, receipt.source_id, LONG)
    process_due()
    Receipt.objects.filter(id=receipt.id).update(due_at=None)
    assert future.result() == "processed"


@pytest.mark.usefixtures("no_polls")
def test_wait_survives_a_cut_connection_of_the_listener() -> None:
    receipt = make_receipt(make_source(response_when="processed"))
    future = wait_for_handlers(receipt.id, receipt.source_id, LONG)
    wait_until_listening()
    (pid,) = listeners()
    end_session(pid)
    process_due()
    assert future.result() == "processed"


def test_wait_during_an_outage_is_pending_and_works_again_afterwards() -> None:
    receipt = make_receipt(make_source(response_when="processed"))
    with no_new_connections():
        assert wait_for_handlers(receipt.id, receipt.source_id, 0.1).result() == "pending"
    future = wait_for_handlers(receipt.id, receipt.source_id, LONG)
    process_due()
    assert future.result() == "processed"


def test_waits_of_one_source_beyond_the_limit_are_pending_at_once_and_others_wait(settings) -> None:
    settings.WAYPOST_HANDLER_WAITS = 2
    flooding, other = make_source(), make_source()
    receipts = [make_receipt(flooding) for _ in range(3)]
    first, second, third = [wait_for_handlers(receipt.id, flooding.id, LONG) for receipt in receipts]
    others = wait_for_handlers(make_receipt(other).id, other.id, LONG)
    assert (third.result(0), first.done(), second.done(), others.done()) == ("pending", False, False, False)
    first.cancel()
    assert not wait_for_handlers(make_receipt(flooding).id, flooding.id, LONG).done()


def test_waits_of_one_tenant_are_limited_over_all_of_its_sources(settings) -> None:
    settings.WAYPOST_HANDLER_WAITS = 1
    tenant, receipts = new_id(), [make_receipt(make_source()) for _ in range(3)]
    waits = [wait_for_handlers(receipt.id, receipt.source_id, LONG, tenant_id=tenant) for receipt in receipts]
    assert [wait.done() for wait in waits] == [False, False, True]


def test_many_waits_need_one_thread_and_one_listening_connection() -> None:
    source = make_source(response_when="processed")
    waits = [wait_for_handlers(make_receipt(source).id, source.id, LONG) for _ in range(40)]
    wait_until_listening()
    threads = [thread for thread in threading.enumerate() if thread.name == "handler-waits"]
    assert (len(threads), len(listeners())) == (1, 1)
    while process_due():
        pass
    assert {wait.result() for wait in waits} == {"processed"}


def test_thread_without_waits_ends_and_closes_its_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_waits, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(handler_waits, "POLL_EVERY", 0.01)
    waits = HandlerWaits()
    receipt = make_receipt()
    process_due()
    assert waits.add(receipt.id, (receipt.source_id,), LONG).result() == "processed"
    wait_until(lambda: waits._thread is None, "the end of the thread")
    wait_until(lambda: not listeners(), "the end of its connection")
    assert waits.add(receipt.id, (receipt.source_id,), LONG).result() == "processed"
    waits.stop()


def test_stop_waits_completes_all_waits_as_pending() -> None:
    receipt = make_receipt()
    future = wait_for_handlers(receipt.id, receipt.source_id, LONG)
    stop_waits()
    assert future.result(0) == "pending"


def test_wait_where_no_thread_is_available_is_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert wait_for_handlers(new_id(), new_id(), LONG).result(0) == "pending"


def test_read_states_reads_what_notify_waiters_sends_and_ignores_other_text() -> None:
    states = [(UUID(int=number), "processed") for number in range(MAX_STATES)]
    payload = ",".join(f"{id.hex} {state}" for id, state in states)
    assert len(payload) < 8000
    assert list(read_states(payload)) == states
    assert list(read_states("missed,,x y")) == []
    notify_waiters([*states, *states])  # in two notifications, each within the database's limit
