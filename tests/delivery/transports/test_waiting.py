"""Waiting in one thread: the transports go on while a statement runs."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from delivery.transports.registry import Transports
from delivery.transports.waiting import Waiting
from tests.delivery.factories_lanes import make_claimed, make_in_flight, make_target
from tests.receiver import Receiver
from webhooks.kit import sql
from webhooks.wire.signing.standard_webhooks import Signer

SECRET = "whsec_" + "A" * 43 + "="
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP = True


@contextmanager
def waiting_with(transports: Transports, progress: Any) -> Iterator[Waiting]:
    waiting = Waiting(transports, progress)
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

        with waiting_with(transports, progress):
            target = make_target(url=receiver.url(), admits=lambda ip: True, signer=Signer([SECRET]))
            transports.submit([(make_in_flight(), transports.prepare(make_claimed(), target, time.time()))])
            assert sql.run("SELECT pg_sleep(0.5)::text, 7", {}) == [("", 7)]
    assert [outcome.status for _, outcome in ended] == [200]
    assert ended[0][1].duration_ms < 400


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
