"""Test how many curl handles a sender keeps: many while it works, few after a quiet time."""

import time
from contextlib import closing

import pytest

from delivery.transports.http import kept_exchanges
from delivery.transports.http.exchange import Exchange
from delivery.transports.http.kept_exchanges import MOST, MOST_WHEN_QUIET, KeptExchanges
from delivery.transports.http.sender import HttpSender
from tests import receiver as scripts
from tests.delivery.transports.http.sending import make_request, send
from tests.receiver import Receiver
from tests.waiting import wait_until


class FakeExchange:
    """Stand in for an exchange at the edge to libcurl."""

    is_reusable = True
    closed = False

    def close(self) -> None:
        self.closed = True


def exchanges(count: int) -> list[Exchange]:
    return [FakeExchange() for _ in range(count)]  # type: ignore[misc]


def kept(count: int) -> KeptExchanges:
    found = KeptExchanges()
    for exchange in exchanges(count):
        found.keep(exchange)
    return found


def test_keep_closes_what_is_too_many_or_not_reusable() -> None:
    found = kept(MOST)
    [one] = exchanges(1)
    found.keep(one)
    assert (len(found), one.closed) == (MOST, True)  # type: ignore[attr-defined]
    found.take()
    one.is_reusable = False
    found.keep(one)
    assert len(found) == MOST - 1


def test_quiet_time_begins_with_the_last_end_and_not_again_without_one() -> None:
    found = kept(MOST_WHEN_QUIET + 1)
    found.begin_quiet()
    first = found.quiet_at
    found.begin_quiet()
    assert first is not None
    assert found.quiet_at == first
    one = found.take()
    assert one is not None
    found.keep(one)
    time.sleep(0.001)
    found.begin_quiet()
    assert found.quiet_at is not None
    assert found.quiet_at > first


def test_few_exchanges_need_no_quiet_time() -> None:
    found = kept(MOST_WHEN_QUIET)
    found.begin_quiet()
    assert found.quiet_at is None


def test_sender_keeps_few_handles_after_a_quiet_time_and_sends_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_exchanges, "QUIET_AFTER", 0.0)
    monkeypatch.setattr(kept_exchanges, "MOST_WHEN_QUIET", 2)
    with Receiver() as receiver, closing(HttpSender(allow_http=True)) as sender:
        url = receiver.script("/", *[scripts.slow(0.05)] * 9)
        send(sender, *[make_request(url) for _ in range(8)])

        def has_shrunk() -> bool:
            sender.advance()
            return len(sender._kept) == 2

        wait_until(has_shrunk, "the handles to be closed")
        assert send(sender, make_request(url))[0].status == 200
