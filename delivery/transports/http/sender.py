"""Send many HTTP requests at once on one curl multi handle, in the thread that calls.

``submit`` starts attempts, ``advance`` does what can be done without waiting, ``take`` returns what has ended. The
caller waits for ``fileno``, for ``seconds_to_timer`` at most. libcurl names the sockets to wait for
(``socket_action``), so an exchange that hangs costs nothing until its timeout. A single request is in ``exchange``, the
resolution of its host name in ``lookups``, its socket in ``curl``.

Connections are open files. Their number follows from the limit of the process: an attempt may need two while it
connects, and idle ones are closed, the oldest first, when a new one would exceed the limit.
"""

import time
from collections.abc import Callable, Sequence
from selectors import EVENT_READ
from typing import Any

import pycurl

from delivery import telemetry
from delivery.sql.claim import Claimed
from delivery.transports.http.compose import compose
from delivery.transports.http.curl.socket_selector import FLAGS, SocketSelector
from delivery.transports.http.exchange import Exchange
from delivery.transports.http.http_versions import HttpVersions
from delivery.transports.http.kept_exchanges import KeptExchanges
from delivery.transports.http.lookups import Lookups, WaitingAttempt, target_of
from delivery.transports.http.request import Request
from delivery.transports.http.responses import outcome_of
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.transport import NotSent
from delivery.transports.wake_up import WakeUp
from subscriptions.routing.targets import DeliveryTarget
from webhooks.kit.process.free_memory import return_free_memory
from webhooks.kit.process.open_files import free_for_connections
from webhooks.outgoing.errors import LimitReached
from webhooks.outgoing.resolver import LookupTimeout, Resolution

MAX_KEPT_CONNECTIONS = 1_024
# Seconds from the status line of a response to its end. The status decides, so a response that does not end keeps no
# place: the attempt ends, and its connection is closed.
RESPONSE_WITHIN = 1.0
# When an HTTP/2 connection was closed because the server refused a stream, libcurl sometimes does not process another
# stream of it, which would then end by its timeout. So all exchanges are processed a few times after a repetition.
RECHECK_EVERY = 0.25  # seconds
RECHECKS = 8


class HttpSender:
    """Send attempts to HTTP endpoints: the transport of the kind ``http``, without OAuth."""

    def __init__(
        self, *, allow_http: bool, clock: Callable[[], float] = time.time, connections: int | None = None
    ) -> None:
        """``clock`` returns unix seconds: when attempts started, and for dates in Retry-After.

        ``connections``: the most at once; by default as many as the open files of this process suffice for.
        """
        self._connections = connections
        self._clock = clock
        self._protocols = pycurl.PROTO_HTTPS | (pycurl.PROTO_HTTP if allow_http else 0)
        self._ended: list[tuple[InFlight, Outcome]] = []
        self._error: Exception | None = None
        self._sockets = SocketSelector()
        self._has_addresses = WakeUp()
        self._sockets.selector.register(self._has_addresses, EVENT_READ)
        self._wake_up_fd = self._has_addresses.fileno()
        self._timer: float | None = None
        self._in_flight: set[Exchange] = set()
        self._kept = KeptExchanges()
        self._lookups = Lookups(self._has_addresses.set)
        self._versions = HttpVersions()
        self._recheck_at: float | None = None  # when to look at all exchanges, in monotonic seconds
        self._rechecks = 0  # how many more times to do that
        self.watches_responses = False  # whether there may be bodies that have not ended
        self._responses_due: float | None = None  # when to look for bodies that have not ended, in monotonic seconds
        self._multi = self._new_multi()

    def _new_multi(self) -> Any:
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._sockets.on_socket)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        connections = self._connections or max_connections()
        multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, connections)
        multi.setopt(pycurl.M_MAXCONNECTS, min(MAX_KEPT_CONNECTIONS, connections))
        return multi

    def prepare(self, claimed: Claimed, target: DeliveryTarget, now: float, bearer: str = "") -> Request | NotSent:
        """Compose the request, with an access token (``bearer``) where the endpoint requires one."""
        return compose(claimed, target, now, bearer)

    def submit(self, attempts: Sequence[tuple[InFlight, Request]]) -> None:
        """Start these attempts. Their timeouts run from here."""
        for attempt, request in attempts:
            self._start(attempt, request)
        self._run_timer()
        self._finish()  # what has failed at once

    def advance(self) -> None:
        """Do what can be done without waiting. An error is raised by ``take``."""
        try:
            self._advance()
        except Exception as error:
            self._error = error

    def take(self) -> list[tuple[InFlight, Outcome]]:
        """Return every attempt that has ended since the last call. Raises what went wrong in ``advance``."""
        if self._error is not None:
            raise self._error
        ended, self._ended = self._ended, []
        return ended

    def maintain(self) -> None:
        """Do nothing: this transport uses no database."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when ``advance`` has something to do."""
        return self._sockets.selector.fileno()

    def seconds_to_timer(self) -> float | None:
        """Return after how many seconds ``advance`` has something to do anyway; None: not before ``fileno``."""
        if self._ended or self._error is not None:
            return 0.0
        limits = (self._lookups.next_deadline, self._responses_due)
        timers = (self._timer, *limits, self._recheck_at, self._kept.quiet_at)
        moments = [it for it in timers if it is not None]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def close(self) -> None:
        """Abandon what is still in flight."""
        for exchange in self._in_flight:
            self._multi.remove_handle(exchange.curl)
            exchange.close()
        self._in_flight.clear()
        self._kept.close()
        self._multi.close()
        del self._multi  # its callbacks refer to this sender
        self._sockets.selector.close()
        self._has_addresses.close()
        return_free_memory()

    def _advance(self) -> None:
        sockets = self._sockets
        for key, events in sockets.selector.select(0):
            fd = key.fd
            if fd == self._wake_up_fd:
                self._has_addresses.clear()
                self._start_resolved()
            elif fd in sockets.watched:
                self._multi.socket_action(fd, FLAGS[events])
            else:  # a kept connection that the endpoint has closed; libcurl finds out before it uses it again
                sockets.unregister(fd)
        if self._lookups.next_deadline is not None and self._lookups.next_deadline <= time.monotonic():
            self._start_resolved()
        self._run_timer()
        if self._recheck_at is not None and self._recheck_at <= time.monotonic():
            self._recheck()
        self._finish()
        if self._responses_due is not None and self._responses_due <= time.monotonic():
            self._end_late_responses()
        if self._kept.quiet_at is not None and self._kept.quiet_at <= time.monotonic():
            self._end_quiet()

    def _run_timer(self) -> None:
        if self._timer is not None and self._timer <= time.monotonic():
            self._timer = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _start(self, attempt: InFlight, request: Request) -> None:
        target = target_of(request.url)
        if target is None or target.is_literal:
            self._begin(attempt, request)
        elif (known := self._lookups.find(request)) is not None:
            self._begin(attempt, request, f"{target.host}:{target.port}", known)
        else:
            now = time.monotonic()
            self._lookups.wait(WaitingAttempt(attempt, request, now, now + request.timeout_ms / 1000))

    def _start_resolved(self) -> None:
        for waiting, result in self._lookups.take():
            waited = time.monotonic() - waiting.started
            if isinstance(result, Resolution) and (target := target_of(waiting.request.url)) is not None:
                self._begin(waiting.attempt, waiting.request, f"{target.host}:{target.port}", result, waited)
            else:
                self._ended.append((waiting.attempt, _not_resolved(result, waiting.request.signed_at, waited)))

    def _begin(
        self,
        attempt: InFlight,
        request: Request,
        authority: str = "",
        resolution: Resolution | None = None,
        waited: float = 0.0,
    ) -> None:
        exchange = self._kept.take() or self._new_exchange()
        try:
            exchange.begin(attempt, request, authority, resolution.addresses if resolution else (), waited)
        except (ValueError, pycurl.error) as error:  # a URL or a header that libcurl does not accept: ours to prevent
            telemetry.not_sent(attempt.claimed.id, error)
            self._end(exchange, pycurl.E_BAD_FUNCTION_ARGUMENT)
            return
        self._in_flight.add(exchange)
        self._multi.add_handle(exchange.curl)

    def _new_exchange(self) -> Exchange:
        return Exchange(self._protocols, self._clock, self._versions, self)

    def _finish(self) -> None:
        left = 1
        while left:
            left, succeeded, failed = self._multi.info_read()
            for curl in succeeded:
                self._remove(curl, 0)
            for curl, code, _ in failed:
                self._remove(curl, code)
        if not self._in_flight:
            self._kept.begin_quiet()

    def _end_quiet(self) -> None:
        """Keep few handles, if nothing was in flight for a while; otherwise the next pause begins with the last one."""
        if self._in_flight:
            self._kept.quiet_at = None
        else:
            self._kept.shrink()

    def _remove(self, curl: Any, code: int) -> None:
        self._multi.remove_handle(curl)
        exchange = curl.exchange
        if code and exchange.begin_again(code):
            self._multi.add_handle(curl)
            return
        self._in_flight.discard(exchange)
        self._end(exchange, code)

    def _recheck(self) -> None:
        self._rechecks -= 1
        self._recheck_at = time.monotonic() + RECHECK_EVERY if self._rechecks > 0 else None
        self._multi.socket_all()

    def _end_late_responses(self) -> None:
        """End the exchanges whose response has a status line since RESPONSE_WITHIN, and no end."""
        now = time.monotonic()
        responding = [it for it in self._in_flight if it.status is not None]
        for exchange in responding:
            if exchange.status_at + RESPONSE_WITHIN <= now:
                self._remove(exchange.curl, 0)
        left = [it.status_at + RESPONSE_WITHIN for it in responding if it in self._in_flight]
        self._responses_due = min(left, default=None)
        self.watches_responses = self._responses_due is not None

    def _end(self, exchange: Exchange, code: int) -> None:
        self._ended.append(exchange.end(code))
        self._kept.keep(exchange)

    def on_open(self) -> None:
        """Note that a socket is opened."""
        self._sockets.opened += 1

    def watch_responses(self) -> None:
        """Note that a response has its status line, so that the rest of it has a time limit."""
        self.watches_responses = True
        self._responses_due = time.monotonic() + RESPONSE_WITHIN

    def on_repeat(self) -> None:
        """Note that a request is sent again, so that others that were lost with its connection are found."""
        self._rechecks = RECHECKS
        if self._recheck_at is None:
            self._recheck_at = time.monotonic() + RECHECK_EVERY

    def _on_timer(self, milliseconds: int) -> None:
        self._timer = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


def max_attempts() -> int:
    """Return how many attempts at once the open files of this process suffice for."""
    return max(free_for_connections() // 3, 1)


def max_connections() -> int:
    """Return how many connections, kept ones included, a sender may have besides the second one of each attempt."""
    return max(free_for_connections() - max_attempts(), 1)


def _not_resolved(error: object, started_at: float, seconds: float) -> Outcome:
    duration_ms = round(seconds * 1000)
    if isinstance(error, LimitReached):
        return Outcome(started_at, duration_ms, failure=Failure.DNS, not_attempted=True)
    failure = Failure.TIMEOUT if isinstance(error, LookupTimeout) else Failure.DNS
    return outcome_of(started_at=started_at, duration_ms=duration_ms, status=None, failure=failure)
