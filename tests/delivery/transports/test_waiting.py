"""Waiting in one thread: the transports go on while a statement runs."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from delivery import notify
from delivery.sql.due import LANE_AVAILABLE, notify_lane_available
from delivery.transports.registry import Transports
from delivery.transports.waiting import Waiting
from tests.delivery.factories_lanes import make_claimed, make_in_flight, make_target
from tests.receiver import Receiver
from tests.threads import in_threads
from webhooks.kit import sql
from webhooks.kit.notify import Listener
from webhooks.wire.ids import new_id
from webhooks.wire.signing.standard_webhooks import Signer

SECRET = "whsec_" + "A" * 43 + "="
OWNER = new_id()
WAIT_FOR_LOCK = "SELECT pg_advisory_xact_lock(7)::text, 7"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP = True


@contextmanager
def lock_held() -> Iterator[Callable[[], None]]:
    """Hold the lock that ``WAIT_FOR_LOCK`` waits for in another session, until the function is called."""
    other = connection.copy()
    with connection.cursor() as cursor, closing(other):
        cursor.execute("SET lock_timeout = '120s'")
        other.cursor().execute("SELECT pg_advisory_lock(7)")
        yield lambda: other.cursor().execute("SELECT pg_advisory_unlock_all()")
        cursor.execute("RESET lock_timeout")


@contextmanager
def waiting_with(transports: Transports, progress: Any, receive: Any = None) -> Iterator[Waiting]:
    with closing(notify.listen(OWNER)) as listener:
        waiting = Waiting(transports, progress, listener, lambda: receive(listener) if receive else None)
        sql.wait_with(waiting.for_statement)
        try:
            yield waiting
        finally:
            sql.wait_with(None)


@pytest.mark.parametrize("prepared", [True, False])
def test_request_is_sent_and_its_response_taken_while_a_statement_runs(settings: Any, prepared: bool) -> None:
    settings.WAYPOST_PREPARE_STATEMENTS = prepared
    ended: list[Any] = []
    with Receiver() as receiver, closing(Transports(time.time)) as transports:

        def progress() -> None:
            transports.advance()
            ended.extend(transports.take())
            if ended:
                release()

        with lock_held() as release, waiting_with(transports, progress):
            target = make_target(url=receiver.url(), admits=lambda ip: True, signer=Signer([SECRET]))
            transports.submit([(make_in_flight(), transports.prepare(make_claimed(), target, time.time()))])
            assert sql.run(WAIT_FOR_LOCK, {}) == [("", 7)]  # which ends only after the response was taken
    assert [outcome.status for _, outcome in ended] == [200]


def test_notification_is_received_while_a_statement_runs_and_the_listener_can_run_one_too() -> None:
    received: list[Any] = []

    def receive(listener: Listener) -> None:
        received.append((listener.received(), listener.run("SELECT 1 WHERE %(n)s = 2::int8", {"n": 2})))
        release()

    with (
        closing(Transports(time.time)) as transports,
        lock_held() as release,
        waiting_with(transports, lambda: None, receive),
    ):
        in_threads(notify_lane_available)
        assert sql.run(WAIT_FOR_LOCK, {}) == [("", 7)]
    assert ({LANE_AVAILABLE}, [(1,)]) in received


@pytest.mark.parametrize("attribute", ["gathers", "receives"])
def test_busy_drain_and_one_that_claims_receive_after_the_statement(attribute: str) -> None:
    received: list[set[str]] = []

    def receive(listener: Listener) -> None:
        received.append(listener.received())

    with closing(Transports(time.time)) as transports, waiting_with(transports, lambda: None, receive) as waiting:
        setattr(waiting, attribute, attribute == "gathers")
        in_threads(notify_lane_available)
        sql.run("SELECT pg_sleep(0.1)::text", {})
        assert not received
        assert waiting.for_events(60.0, notified=True)


def test_error_of_progress_is_raised_after_the_statement_and_leaves_the_connection_usable() -> None:
    def progress() -> None:
        raise LookupError("ours")

    with (
        closing(Transports(time.time)) as transports,
        waiting_with(transports, progress),
        pytest.raises(LookupError),
    ):
        sql.run("SELECT 1", {})
    assert sql.run("SELECT 2", {}) == [(2,)]


def test_error_of_a_statement_is_raised_as_ever() -> None:
    with closing(Transports(time.time)) as transports, waiting_with(transports, lambda: None):
        with pytest.raises(DatabaseError), transaction.atomic():
            sql.run("SELECT 1 / 0", {})
        assert sql.run("SELECT 2", {}) == [(2,)]


def test_connection_that_ends_while_a_statement_runs_is_an_error_of_the_database() -> None:
    with (
        closing(Transports(time.time)) as transports,
        waiting_with(transports, lambda: None),
        pytest.raises(DatabaseError),
    ):
        sql.run("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(10)::text", {})
    connection.close()
