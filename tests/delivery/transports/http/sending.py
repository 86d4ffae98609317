"""Make requests, and send them with a sender."""

import select
import time
from typing import Any
from uuid import UUID

from delivery.transports.http.request import Request
from delivery.transports.http.sender import HttpSender
from delivery.transports.outcome import Outcome
from tests.delivery.factories_lanes import make_in_flight
from tests.waiting import wait_until


def make_request(url: str, **changes: Any) -> Request:
    fields: dict[str, Any] = {
        "headers": ["content-type: application/json", "accept-encoding: identity", "expect:"],
        "body": b'{"n":1}',
        "signed_at": time.time(),
        "timeout_ms": 10_000,
        "admits": lambda ip: True,
    }
    return Request(url=url, **{**fields, **changes})


def send(sender: HttpSender, *requests: Request) -> list[Outcome]:
    """Send these requests and return their outcomes, in the same order."""
    attempts = [(make_in_flight(), request) for request in requests]
    ended: dict[UUID, Outcome] = {}
    sender.submit(attempts)

    def collect() -> bool:
        seconds = sender.seconds_to_timer()
        select.select([sender], [], [], 0.1 if seconds is None else min(seconds, 0.1))
        sender.advance()
        ended.update({attempt.attempt_id: outcome for attempt, outcome in sender.take()})
        return len(ended) == len(requests)

    wait_until(collect, "the outcomes")
    return [ended[attempt.attempt_id] for attempt, _ in attempts]
