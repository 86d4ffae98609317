"""Test that every request is on record, also those that are sent again because a kept connection broke."""

import time
from contextlib import closing
from select import select

from delivery.transports.http.request import Request
from delivery.transports.http.sender import HttpSender
from delivery.transports.outcome import Outcome
from tests import receiver as scripts
from tests.delivery.factories_lanes import make_in_flight
from tests.receiver import Receiver
from tests.waiting import wait_until


def send(sender: HttpSender, url: str) -> Outcome:
    request = Request(url, ["expect:"], b"{}", time.time(), 5_000, lambda address: True)
    sender.submit([(make_in_flight(), request)])
    outcomes: list[Outcome] = []

    def is_over() -> bool:
        select([sender], [], [], min(sender.seconds_to_timer() or 0.0, 0.1))
        sender.advance()
        outcomes.extend(outcome for _, outcome in sender.take())
        return bool(outcomes)

    wait_until(is_over, "the outcome")
    return outcomes[0]


def test_kept_connection_that_breaks_before_the_response_is_one_attempt_with_both_requests_on_record() -> None:
    with Receiver() as receiver, closing(HttpSender(allow_http=True)) as sender:
        receiver.script("/", 200, scripts.reset, 200)
        outcomes = [send(sender, receiver.url()) for _ in range(3)]
        assert [(it.status, it.repeats) for it in outcomes] == [(200, ()), (200, ("connection_closed",)), (200, ())]
        assert len(receiver.arrivals) == sum(1 + len(it.repeats) for it in outcomes)
