"""Sending a request again within its attempt: when, how often, and why."""

import select
import time
from collections.abc import Callable

import pytest
from h2.errors import ErrorCodes

from delivery.transports.http import repeats
from delivery.transports.http.repeats import MAX_REPEATS, Repeat, Requests
from delivery.transports.http.request import Request
from delivery.transports.http.sender import HttpSender
from delivery.transports.outcome import Failure, Outcome
from subscriptions.endpoints.http.certificates import TlsFiles
from tests import receiver as scripts
from tests.delivery.factories_lanes import make_in_flight
from tests.interop.receivers import h2_server as h2
from tests.interop.receivers.h2_server import H2Server
from tests.receiver import Exchange, Receiver, Respond
from tests.waiting import wait_until


def sent(sender: HttpSender, url: str, ca: str = "", timeout_ms: int = 60_000) -> Outcome:
    tls = TlsFiles(None, None, ca.encode()) if ca else None
    request = Request(url, ["expect:"], b"{}", time.time(), timeout_ms, lambda _address: True, tls=tls)
    sender.submit([(make_in_flight(), request)])
    outcomes: list[Outcome] = []

    def is_over() -> bool:
        seconds = sender.seconds_to_timer()
        select.select([sender], [], [], 0.1 if seconds is None else min(seconds, 0.1))
        sender.advance()
        outcomes.extend(outcome for _, outcome in sender.take())
        return bool(outcomes)

    wait_until(is_over, "the outcome", every=0)
    return outcomes[0]


class TestKeptConnections:
    @pytest.mark.parametrize("end", [scripts.reset, scripts.hang_up])
    def test_request_that_meets_a_connection_being_closed_is_sent_again_on_a_new_one(
        self, sender: HttpSender, receiver: Receiver, end: Respond
    ) -> None:
        receiver.script("/", 200, end, 200)
        outcomes = [sent(sender, receiver.url()) for _ in range(2)]
        assert [(it.status, it.repeats) for it in outcomes] == [(200, ()), (200, (Repeat.CONNECTION_CLOSED,))]
        assert receiver.arrivals[0].connection == receiver.arrivals[1].connection
        assert receiver.arrivals[2].connection != receiver.arrivals[1].connection
        assert len(receiver.arrivals) == 3

    def test_request_that_closes_a_new_connection_is_a_failed_attempt(
        self, sender: HttpSender, receiver: Receiver
    ) -> None:
        receiver.script("/", scripts.hang_up)
        outcome = sent(sender, receiver.url())
        assert (outcome.failure, outcome.repeats, len(receiver.arrivals)) == (Failure.RESET, (), 1)

    def test_request_that_closes_the_new_connection_as_well_is_sent_no_more(
        self, sender: HttpSender, receiver: Receiver
    ) -> None:
        receiver.script("/", 200, scripts.hang_up)
        sent(sender, receiver.url())
        outcome = sent(sender, receiver.url())
        assert (outcome.failure, outcome.repeats) == (Failure.RESET, (Repeat.CONNECTION_CLOSED,))
        assert len(receiver.arrivals) == 3

    def test_request_is_not_sent_again_after_a_line_of_a_response(self, sender: HttpSender, receiver: Receiver) -> None:
        def begins(exchange: Exchange) -> None:
            exchange.write(b"HTTP/1.1 500 Scripted\r\nx-")
            exchange.close_connection = True

        receiver.script("/", 200, begins, 200)
        sent(sender, receiver.url())
        outcome = sent(sender, receiver.url())
        assert (outcome.status, outcome.repeats, len(receiver.arrivals)) == (500, (), 2)

    def test_connection_that_closes_late_was_closed_by_the_work_on_the_request(
        self, sender: HttpSender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(repeats, "REPEAT_WITHIN", 0.0)
        receiver.script("/", 200, scripts.hang_up, 200)
        sent(sender, receiver.url())
        outcome = sent(sender, receiver.url())
        assert (outcome.failure, outcome.repeats, len(receiver.arrivals)) == (Failure.RESET, (), 2)

    def test_address_of_the_new_connection_is_checked_again(self, sender: HttpSender, receiver: Receiver) -> None:
        receiver.script("/", 200, scripts.hang_up, 200)
        sent(sender, receiver.url())
        request = Request(receiver.url(), ["expect:"], b"{}", time.time(), 60_000, lambda _address: False)
        sender.submit([(make_in_flight(), request)])
        outcomes: list[Outcome] = []
        wait_until(
            lambda: sender.advance() or outcomes.extend(it for _, it in sender.take()) or bool(outcomes), "the outcome"
        )
        assert outcomes[0].failure is Failure.FORBIDDEN


def nth(number: int, then: h2.Respond) -> h2.Respond:
    """Do this with the n-th request of the server, and respond 200 to all others."""
    return lambda connection, stream: (then if connection.server.requests == number else h2.ok)(connection, stream)


def goes_away(connection: h2.Connection, stream: int) -> None:
    connection.go_away(max(stream - 2, 0))


UNPROCESSED: dict[str, h2.Respond] = {
    "refused": h2.resets_with(ErrorCodes.REFUSED_STREAM),
    "GOAWAY below": goes_away,
}


class TestHttp2:
    @pytest.mark.parametrize("number", [1, 2], ids=["on a new connection", "on a kept connection"])
    @pytest.mark.parametrize("refuse", UNPROCESSED.values(), ids=UNPROCESSED)
    def test_request_declared_unprocessed_is_sent_again(
        self, sender: HttpSender, refuse: h2.Respond, number: int
    ) -> None:
        with H2Server(nth(number, refuse)) as server:
            outcomes = [sent(sender, server.url, server.authority.pem) for _ in range(3)]
            assert [it.status for it in outcomes] == [200, 200, 200]
            assert [it.repeats for it in outcomes].pop(number - 1) == (Repeat.STREAM_REFUSED,)
            assert server.requests == 4

    def test_request_that_is_always_refused_is_sent_three_times(self, sender: HttpSender) -> None:
        with H2Server(UNPROCESSED["refused"]) as server:
            outcome = sent(sender, server.url, server.authority.pem)
            assert (outcome.failure, outcome.repeats) == (Failure.RESET, (Repeat.STREAM_REFUSED,) * MAX_REPEATS)
            assert server.requests == 1 + MAX_REPEATS

    def test_stream_that_is_reset_for_another_reason_is_a_failed_attempt(self, sender: HttpSender) -> None:
        with H2Server(h2.resets_with(ErrorCodes.INTERNAL_ERROR)) as server:
            outcome = sent(sender, server.url, server.authority.pem)
            assert (outcome.failure, outcome.repeats, server.requests) == (Failure.RESET, (), 1)

    @pytest.mark.parametrize("status", [200, 500])
    @pytest.mark.parametrize("code", [ErrorCodes.INTERNAL_ERROR, ErrorCodes.NO_ERROR, ErrorCodes.REFUSED_STREAM])
    def test_stream_that_is_reset_after_its_status_counts_by_that(
        self, sender: HttpSender, status: int, code: ErrorCodes
    ) -> None:
        def respond(connection: h2.Connection, stream: int) -> None:
            connection.h2.send_headers(stream, [(":status", str(status)), ("content-length", "9")])
            connection.reset(stream, code)

        with H2Server(respond) as server:
            outcome = sent(sender, server.url, server.authority.pem)
            assert (outcome.status, outcome.delivered, server.requests) == (status, status == 200, 1)

    def test_server_that_requires_http_1_gets_it_at_once_and_from_then_on(self, sender: HttpSender) -> None:
        with H2Server(h2.resets_with(ErrorCodes.HTTP_1_1_REQUIRED)) as server:
            outcomes = [sent(sender, server.url, server.authority.pem) for _ in range(3)]
            assert [it.status for it in outcomes] == [200, 200, 200]
            assert [it.repeats for it in outcomes] == [(Repeat.HTTP_1_1_REQUIRED,), (), ()]
            assert server.requests == 4

    def test_connection_closed_without_a_goaway_counts_as_a_kept_one(self, sender: HttpSender) -> None:
        with H2Server(nth(2, lambda connection, _stream: connection.hang_up())) as server:
            outcomes = [sent(sender, server.url, server.authority.pem) for _ in range(2)]
            assert [(it.status, len(it.repeats)) for it in outcomes] == [(200, 0), (200, 1)]


def never() -> bool:
    return False


def opened(requests: Requests) -> bool:
    """Send a request on a new connection, if that is allowed."""
    requests.on_open()
    return requests.may_send(never)


class TestRequests:
    def test_first_request_may_be_sent_on_any_connection(self) -> None:
        assert Requests().may_send(never)
        assert opened(Requests())

    def test_repeated_request_on_a_kept_connection_is_not_sent_but_granted_a_new_one(self) -> None:
        requests = Requests()
        requests.may_send(never)
        assert not requests.may_send(never)
        assert requests.needs_new_connection
        requests.grant()
        assert opened(requests)
        assert (requests.count, requests.needs_new_connection) == (2, False)

    def test_no_more_than_two_are_repeated(self) -> None:
        requests = Requests()
        assert [opened(requests) for _ in range(MAX_REPEATS + 2)] == [True] * (MAX_REPEATS + 1) + [False]

    @pytest.mark.parametrize("is_new", [True, False])
    def test_time_limits_what_was_not_declared_unprocessed(self, is_new: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(repeats, "REPEAT_WITHIN", -1.0)
        requests = Requests()
        (opened if is_new else (lambda it: it.may_send(never)))(requests)
        assert opened(requests) == is_new  # after a first request only HTTP/2 makes libcurl ask again

    def test_time_of_the_new_connection_does_not_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        requests = Requests()
        requests.may_send(never)
        requests.on_open()
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 60)  # the handshake took a minute
        assert requests.may_send(never)

    def test_begin_forgets_the_attempt_before(self) -> None:
        requests = Requests()
        requests.may_send(never)
        requests.may_send(never)
        requests.begin()
        assert (requests.count, requests.needs_new_connection) == (0, False)
        assert requests.may_send(never)

    @pytest.mark.parametrize(
        ("first", "version", "speaks_http_2", "expected"),
        [
            (opened, "2", False, [Repeat.STREAM_REFUSED]),
            (opened, "", False, [Repeat.STREAM_REFUSED]),
            (opened, "1.1", False, [Repeat.HTTP_1_1_REQUIRED]),
            (Requests.may_send, "1.1", False, [Repeat.CONNECTION_CLOSED]),
            (Requests.may_send, "", False, [Repeat.CONNECTION_CLOSED]),
            (Requests.may_send, "2", False, [Repeat.STREAM_REFUSED]),
            (Requests.may_send, "1.1", True, [Repeat.HTTP_1_1_REQUIRED]),
        ],
    )
    def test_reason_follows_from_the_connections_and_the_versions(
        self, first: Callable[..., bool], version: str, speaks_http_2: bool, expected: list[Repeat]
    ) -> None:
        requests = Requests()
        first(requests, never) if first is Requests.may_send else first(requests)
        assert requests.reasons(version, speaks_http_2=speaks_http_2) == ()
        opened(requests)
        assert list(requests.reasons(version, speaks_http_2=speaks_http_2)) == expected
