"""The engine of client libraries: one connection for each endpoint, timeouts that hold, bounded threads."""

import select
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from delivery.sql.claim import Claimed
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from delivery.transports.sockets import connection as connections
from delivery.transports.sockets import transport as engine
from delivery.transports.sockets.transport import MOST_HUNG, SocketTransport
from delivery.transports.transport import NotSent
from subscriptions.endpoints.destinations import registry
from subscriptions.endpoints.destinations.kind import Connection
from subscriptions.routing.targets import DeliveryTarget
from tests.delivery.transports.sockets.scripted import TENANT, Library, library, make_target
from tests.waiting import wait_until
from webhooks.wire.ids import new_id


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setitem(registry.FILES, "scripted", "tests.delivery.transports.sockets.scripted.Scripted")
    library.__init__()  # type: ignore[misc]
    yield library
    library.may_go.set()
    wait_until(lambda: not threads(), "the threads to end")


@pytest.fixture
def transport(scripted: Library) -> Iterator[SocketTransport]:
    it = SocketTransport(time.time)
    yield it
    library.may_go.set()
    it.close()


def threads() -> list[threading.Thread]:
    return [it for it in threading.enumerate() if it.name.startswith("scripted ")]


def submit(transport: SocketTransport, target: DeliveryTarget, *bodies: bytes) -> None:
    attempts = []
    for body in bodies:
        claimed = Claimed(new_id(), target.endpoint_id, new_id(), 0, 0, datetime.now(UTC), body, rendered=True)
        prepared = transport.prepare(claimed, target, time.time())
        assert not isinstance(prepared, NotSent)
        attempts.append((InFlight(claimed, new_id(), (), new_id(), target.address, target.kind), prepared))
    transport.submit(attempts)


def ended(transport: SocketTransport, count: int) -> list[tuple[UUID, Outcome]]:
    """Drive the transport as a drain does until so many attempts have ended."""
    found: list[tuple[UUID, Outcome]] = []

    def turn() -> bool:
        seconds = transport.seconds_to_timer()
        select.select([transport.fileno()], [], [], min(0.05 if seconds is None else seconds, 0.05))
        transport.advance()
        found.extend((it.claimed.endpoint_id, outcome) for it, outcome in transport.take())
        return len(found) >= count

    wait_until(turn, f"{count} attempts to end", every=0.0)
    return found


def outcomes(transport: SocketTransport, count: int) -> list[Outcome]:
    return [outcome for _, outcome in ended(transport, count)]


class TestConnections:
    def test_messages_that_are_submitted_together_are_sent_at_once(self, transport: SocketTransport) -> None:
        submit(transport, make_target(), *(b"%d" % n for n in range(12)))
        assert all(it.delivered and it.response == b"ok" for it in outcomes(transport, 12))
        assert [len(it) for it in library.sent] == [10, 2]

    def test_connection_is_kept_between_attempts(self, transport: SocketTransport) -> None:
        target = make_target()
        for body in (b"1", b"2"):
            submit(transport, target, body)
            outcomes(transport, 1)
        assert len(library.opened) == 1

    def test_other_settings_open_another_connection_and_close_the_former(self, transport: SocketTransport) -> None:
        target = make_target()
        submit(transport, target, b"1")
        outcomes(transport, 1)
        submit(transport, replace(target, connection=Connection("ep_1", TENANT, {"place": "there"})), b"2")
        outcomes(transport, 1)
        assert library.opened == [{"place": "here"}, {"place": "there"}]
        wait_until(lambda: library.closed == 1, "the former connection to close")

    def test_idle_connection_is_closed_and_opened_again(
        self, transport: SocketTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "IDLE_SECONDS", 0.01)
        target = make_target()
        submit(transport, target, b"1")
        outcomes(transport, 1)
        wait_until(lambda: library.closed == 1, "the idle connection to close")
        submit(transport, target, b"2")
        assert outcomes(transport, 1)[0].delivered
        assert len(library.opened) == 2

    def test_endpoint_without_a_place_waits_for_an_idle_connection_to_close(
        self, scripted: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine, "MOST_CONNECTIONS", 1)
        transport = SocketTransport(time.time)
        submit(transport, make_target(), b"1")
        outcomes(transport, 1)
        submit(transport, make_target(), b"2")
        assert outcomes(transport, 1)[0].delivered
        transport.close()

    def test_attempt_that_gets_no_place_in_time_counts_as_not_attempted(
        self, scripted: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine, "MOST_CONNECTIONS", 1)
        library.hangs.set()
        transport = SocketTransport(time.time)
        submit(transport, make_target(), b"1")
        waiting = make_target(timeout_ms=100)
        submit(transport, waiting, b"2")
        ((endpoint_id, outcome),) = ended(transport, 1)
        assert endpoint_id == waiting.endpoint_id
        assert outcome.not_attempted
        transport.close()


class TestFailures:
    def test_message_that_is_refused_fails_alone(self, transport: SocketTransport) -> None:
        refused = SendFailed(Failure.REFUSED, "no")
        library.send = lambda messages: [refused if it.body == b"bad" else b"ok" for it in messages]
        submit(transport, make_target(), b"good", b"bad")
        good, bad = outcomes(transport, 2)
        assert good.delivered
        assert (bad.failure, bad.response, bad.rejected) == (Failure.REFUSED, b"no", True)

    @pytest.mark.parametrize(
        ("error", "failure"),
        [
            (SendFailed(Failure.THROTTLED), Failure.THROTTLED),
            (TimeoutError(), Failure.TIMEOUT),
            (ConnectionRefusedError(), Failure.CONNECT),
            (ConnectionResetError(), Failure.RESET),
            (OSError(), Failure.UNREACHABLE),
            (ValueError("secret"), Failure.INTERNAL),
        ],
    )
    def test_error_of_the_library_fails_all_and_closes_the_connection(
        self, transport: SocketTransport, error: Exception, failure: Failure
    ) -> None:
        def fail(messages: Any) -> Any:
            raise error

        library.send = fail
        target = make_target()
        submit(transport, target, b"1", b"2")
        found = outcomes(transport, 2)
        assert {it.failure for it in found} == {failure}
        assert all(b"secret" not in it.response for it in found)
        assert library.closed == 1

    def test_endpoint_whose_credentials_cannot_be_read_is_not_sent_to(self, transport: SocketTransport) -> None:
        claimed = Claimed(new_id(), new_id(), new_id(), 0, 0, datetime.now(UTC), b"{}", rendered=False)
        assert transport.prepare(claimed, make_target(connection=None), 1.0) == NotSent(Failure.CREDENTIALS)
        assert transport.prepare(claimed, make_target(signer=None), 1.0) == NotSent(Failure.UNSIGNED)


class TestHangs:
    def test_timeout_ends_the_attempt_though_the_library_blocks(self, transport: SocketTransport) -> None:
        library.hangs.set()
        submit(transport, make_target(timeout_ms=100), b"1")
        (outcome,) = outcomes(transport, 1)
        assert outcome.failure is Failure.TIMEOUT
        assert outcome.overloaded
        assert len(threads()) == 1

    def test_next_attempt_gets_another_connection(self, transport: SocketTransport) -> None:
        library.hangs.set()
        target = make_target(timeout_ms=100)
        submit(transport, target, b"1")
        outcomes(transport, 1)
        library.hangs.clear()
        submit(transport, target, b"2")
        assert outcomes(transport, 1)[0].delivered

    def test_endpoint_with_abandoned_threads_fails_at_once_until_they_end(self, transport: SocketTransport) -> None:
        library.hangs.set()
        target = make_target(timeout_ms=100)
        for _ in range(MOST_HUNG):
            submit(transport, target, b"1")
            outcomes(transport, 1)
        submit(transport, target, b"2")
        (outcome,) = outcomes(transport, 1)
        assert (outcome.failure, outcome.duration_ms) == (Failure.TIMEOUT, 0)
        assert len(threads()) == MOST_HUNG
        library.hangs.clear()
        library.may_go.set()
        wait_until(lambda: not threads(), "the threads to end")
        submit(transport, target, b"3")
        assert outcomes(transport, 1)[0].delivered

    def test_hanging_endpoint_does_not_delay_another(self, transport: SocketTransport) -> None:
        library.hangs.set()
        submit(transport, make_target(), b"1")
        wait_until(lambda: library.sent, "the first to hang")
        library.hangs.clear()
        submit(transport, make_target(), b"2")
        assert outcomes(transport, 1)[0].delivered

    def test_closed_transport_leaves_no_thread_once_the_library_returns(self, scripted: Library) -> None:
        library.hangs.set()
        transport = SocketTransport(time.time)
        submit(transport, make_target(), b"1")
        wait_until(lambda: library.sent, "the send")
        transport.close()
        library.may_go.set()
        wait_until(lambda: not threads(), "the thread to end")
