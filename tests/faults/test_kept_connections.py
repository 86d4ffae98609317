"""Test that an attempt is one request, even if a reused connection breaks."""

from contextlib import closing
from select import select

from delivery.transports.http.exchange import Request
from delivery.transports.http.sender import HttpSender
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from tests import receiver as scripts
from tests.delivery.factories_lanes import make_in_flight
from tests.receiver import Receiver
from tests.waiting import wait_until


def send(sender: HttpSender, url: str) -> Outcome:
    request = Request(url, ["expect:"], b"{}", 5_000, lambda address: True)
    sender.submit([(make_in_flight(), request)])

    def taken() -> list[tuple[InFlight, Outcome]]:
        select([sender], [], [], min(sender.seconds_to_timer() or 0.1, 0.1))
        sender.advance()
        return sender.take()

    return wait_until(taken, "the outcome")[0][1]


def test_reused_connection_that_breaks_before_the_response_is_one_failed_attempt() -> None:
    with Receiver() as receiver, closing(HttpSender(allow_http=True)) as sender:
        receiver.script("/", 200, scripts.reset, 200)
        outcomes = [send(sender, receiver.url()) for _ in range(3)]
        assert [(it.status, it.failure) for it in outcomes] == [(200, None), (None, Failure.RESET), (200, None)]
        assert len(receiver.arrivals) == 3
