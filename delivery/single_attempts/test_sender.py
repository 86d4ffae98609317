"""Send single attempts by the transports of deliveries, and return their outcomes as futures.

One transport per process needs no thread however many attempts hang: the event loop of outgoing calls waits for
its descriptor and its timer. The transport is that of deliveries, so a test sends the same bytes under the same guard.
"""

import time
from asyncio import TimerHandle
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.conf import settings

from delivery.sql.claim import Claimed
from delivery.transports.http.request import Request
from delivery.transports.http.sender import HttpSender
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Outcome
from delivery.transports.registry import ENGINES
from delivery.transports.transport import NotSent, Transport
from subscriptions.routing.targets import DeliveryTarget
from webhooks.kit.fair.shares import Shares
from webhooks.kit.process.per_process import PerProcess
from webhooks.outgoing.errors import LimitReached
from webhooks.outgoing.event_loop import event_loop
from webhooks.outgoing.own_address import is_own_http

Key = bool | str
MAX_TESTS = 256  # test deliveries in progress, per process: each has a socket


class TooManyTests(LimitReached):
    """The tenant has too many test deliveries in progress."""


class TestSender:
    """Submit requests to one transport, and complete a future for each. The methods run in the event loop."""

    __test__ = False  # not for pytest

    def __init__(self) -> None:
        self._running = Shares("test deliveries", MAX_TESTS, most=settings.WAYPOST_TESTS_PER_TENANT)
        self._outcomes: dict[UUID, Future[Outcome]] = {}
        # By the engine of the kind; HTTP by whether http is allowed, which changes in tests only.
        self._transports: dict[Key, Transport[Any]] = {}
        self._timers: dict[Key, TimerHandle] = {}

    @contextmanager
    def place(self, tenant_id: UUID) -> Iterator[None]:
        """Take one of the tenant's places during a `with` statement. Raises TooManyTests."""
        if not self._running.take(tenant_id):
            limit = settings.WAYPOST_TESTS_PER_TENANT
            text = f"At most {limit} test deliveries of a tenant run at once; wait for one to end."
            raise TooManyTests("WAYPOST_TESTS_PER_TENANT", text)
        try:
            yield
        finally:
            self._running.release(tenant_id)

    def send(self, attempt: InFlight, request: Request) -> "Future[Outcome]":
        """Return the future outcome of one request; it ends at the latest by the request's timeout."""
        return self._send(settings.WAYPOST_ALLOW_HTTP or is_own_http(), attempt, request)

    def prepare(self, engine: str, claimed: Claimed, target: DeliveryTarget, now: float) -> Any | NotSent:
        """Return what ``send_by`` takes: the message, prepared by an engine of other kinds than ``http``."""
        return self._transport(engine).prepare(claimed, target, now)

    def send_by(self, engine: str, attempt: InFlight, prepared: Any) -> "Future[Outcome]":
        """Return the future outcome of one message that this engine has prepared."""
        return self._send(engine, attempt, prepared)

    def _send(self, key: Key, attempt: InFlight, prepared: Any) -> "Future[Outcome]":
        outcome: Future[Outcome] = Future()
        outcome.set_running_or_notify_cancel()
        self._outcomes[attempt.attempt_id] = outcome
        self._transport(key).submit([(attempt, prepared)])
        self._set_timer(key)
        return outcome

    def _transport(self, key: Key) -> Transport[Any]:
        if key not in self._transports:
            opened = ENGINES[key](time.time) if isinstance(key, str) else HttpSender(allow_http=key)
            self._transports[key] = opened
            event_loop().add_reader(opened.fileno(), self._advance, key)
        return self._transports[key]

    def _advance(self, key: Key) -> None:
        transport = self._transports[key]
        transport.advance()
        try:
            ended = transport.take()
        except Exception as error:
            self._drop(key, error)
            return
        for attempt, outcome in ended:
            self._outcomes.pop(attempt.attempt_id).set_result(outcome)
        self._set_timer(key)

    def _set_timer(self, key: Key) -> None:
        if key in self._timers:
            self._timers.pop(key).cancel()
        seconds = self._transports[key].seconds_to_timer()
        if seconds is not None:
            self._timers[key] = event_loop().call_later(seconds, self._advance, key)

    def _drop(self, key: Key, error: Exception) -> None:
        """Fail what a broken transport was sending; the next attempt gets another transport."""
        broken = self._transports.pop(key)
        event_loop().remove_reader(broken.fileno())
        if key in self._timers:
            self._timers.pop(key).cancel()
        broken.close()
        failed, self._outcomes = self._outcomes, {}
        for outcome in failed.values():
            outcome.set_exception(error)


test_sender = PerProcess(TestSender)
