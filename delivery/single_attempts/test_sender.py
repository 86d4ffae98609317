"""Send single attempts by the transport of deliveries, and return their outcomes as futures.

One ``HttpSender`` per process needs no thread however many attempts hang: the event loop of outgoing calls waits for
its descriptor and its timer. The transport is that of deliveries, so a test sends the same bytes under the same guard.
"""

from asyncio import TimerHandle
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from uuid import UUID

from django.conf import settings

from delivery.transports.http.exchange import Request
from delivery.transports.http.sender import HttpSender
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Outcome
from webhooks.kit.fair.shares import Shares
from webhooks.kit.process.per_process import PerProcess
from webhooks.outgoing.errors import LimitReached
from webhooks.outgoing.event_loop import event_loop
from webhooks.outgoing.own_address import is_own_http

MAX_TESTS = 256  # test deliveries in progress, per process: each has a socket


class TooManyTests(LimitReached):
    """The tenant has too many test deliveries in progress."""


class TestSender:
    """Submit requests to one transport, and complete a future for each. The methods run in the event loop."""

    __test__ = False  # not for pytest

    def __init__(self) -> None:
        self._running = Shares("test deliveries", MAX_TESTS, most=settings.WAYPOST_TESTS_PER_TENANT)
        self._outcomes: dict[UUID, Future[Outcome]] = {}
        self._transports: dict[bool, HttpSender] = {}  # by whether http is allowed, which changes in tests only
        self._timers: dict[bool, TimerHandle] = {}

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
        outcome: Future[Outcome] = Future()
        outcome.set_running_or_notify_cancel()
        self._outcomes[attempt.attempt_id] = outcome
        allow_http = settings.WAYPOST_ALLOW_HTTP or is_own_http()
        self._transport(allow_http).submit([(attempt, request)])
        self._set_timer(allow_http)
        return outcome

    def _transport(self, allow_http: bool) -> HttpSender:
        if allow_http not in self._transports:
            http = self._transports[allow_http] = HttpSender(allow_http=allow_http)
            event_loop().add_reader(http.fileno(), self._advance, allow_http)
        return self._transports[allow_http]

    def _advance(self, allow_http: bool) -> None:
        http = self._transports[allow_http]
        http.advance()
        try:
            ended = http.take()
        except Exception as error:
            self._drop(allow_http, error)
            return
        for attempt, outcome in ended:
            self._outcomes.pop(attempt.attempt_id).set_result(outcome)
        self._set_timer(allow_http)

    def _set_timer(self, allow_http: bool) -> None:
        if allow_http in self._timers:
            self._timers.pop(allow_http).cancel()
        seconds = self._transports[allow_http].seconds_to_timer()
        if seconds is not None:
            self._timers[allow_http] = event_loop().call_later(seconds, self._advance, allow_http)

    def _drop(self, allow_http: bool, error: Exception) -> None:
        """Fail what a broken transport was sending; the next attempt gets another transport."""
        broken = self._transports.pop(allow_http)
        event_loop().remove_reader(broken.fileno())
        if allow_http in self._timers:
            self._timers.pop(allow_http).cancel()
        broken.close()
        failed, self._outcomes = self._outcomes, {}
        for outcome in failed.values():
            outcome.set_exception(error)


test_sender = PerProcess(TestSender)
