"""Send messages to a server with the transport of deliveries, many at once, and count what became of them."""

import select
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

from delivery.transports.http.request import Request
from delivery.transports.http.sender import HttpSender
from delivery.transports.outcome import Outcome
from subscriptions.endpoints.http.certificates import TlsFiles
from tests.delivery.factories_lanes import make_in_flight
from tests.pki import Authority
from tests.waiting import wait_until

IN_FLIGHT = 16


def send(
    url: str, authority: Authority, messages: int, *, size: int = 500, in_flight: int = IN_FLIGHT
) -> list[Outcome]:
    """Send so many messages of so many bytes, and return their outcomes."""
    tls = TlsFiles(certificate=b"", private_key=b"", ca=authority.pem.encode())
    headers = ["content-type: application/json", "expect:", "accept:"]
    request = Request(url, headers, b"x" * size, time.time(), 10_000, lambda _address: True, tls=tls)
    outcomes: list[Outcome] = []
    with closing(HttpSender(allow_http=True)) as sender:
        waiting = iter(range(messages))

        def submit(places: int) -> None:
            sender.submit([(make_in_flight(), request) for _ in zip(range(places), waiting, strict=False)])

        def is_over() -> bool:
            for ended in _advance(sender):
                outcomes.extend(ended)
                submit(len(ended))
            return len(outcomes) == messages

        submit(in_flight)
        wait_until(is_over, f"the outcomes of {messages} messages", every=0)
    return outcomes


def _advance(sender: HttpSender) -> Iterator[list[Outcome]]:
    seconds = sender.seconds_to_timer()
    select.select([sender], [], [], 0.1 if seconds is None else min(seconds, 0.1))
    sender.advance()
    yield [outcome for _, outcome in sender.take()]


def summary(outcomes: list[Outcome]) -> str:
    """Return how many ended how, and after a semicolon why requests were sent again."""
    ended = Counter("delivered" if it.delivered else f"failed: {it.failure}" for it in outcomes)
    text = ", ".join(f"{'all' if count == len(outcomes) else count} {name}" for name, count in sorted(ended.items()))
    reasons = Counter(reason for it in outcomes for reason in it.repeats)
    again = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return f"{text}; sent again: {again}" if again else text
