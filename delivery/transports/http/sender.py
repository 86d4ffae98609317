"""Send many HTTP requests at once on one curl multi handle, in a thread of its own.

The thread keeps a slow database from making a response look late. It waits on the sockets that libcurl names
(``socket_action``), so an exchange that hangs costs nothing until its timeout. Attempts enter by ``submit`` and leave
by ``take``; ``fileno`` is readable when there are some. What one exchange may do: see ``exchange``; how its host name
becomes addresses: see ``lookups``.

Connections are open files. Their number follows from the limit of the process: an attempt may need two while it
connects, and idle ones are closed, the oldest first, when a new one would exceed the limit.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from threading import Thread
from typing import Any

import pycurl

from delivery import telemetry
from delivery.sql.claim import Claimed
from delivery.transports.http.compose import compose
from delivery.transports.http.exchange import Exchange, Request
from delivery.transports.http.lookups import Lookups, Waiting, target_of
from delivery.transports.http.responses import outcome_of
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.transport import NotSent
from delivery.transports.wake_up import WakeUp
from subscriptions.routing.targets import DeliveryTarget
from webhooks.kit.open_files import free_for_connections
from webhooks.outgoing.errors import LimitReached
from webhooks.outgoing.resolver import LookupTimeout, Resolution

MAX_KEPT_CONNECTIONS = 1_024
MAX_IDLE_HANDLES = 512  # curl handles that wait for the next attempt


class HttpSender:
    """Send attempts to HTTP endpoints: the transport of the kind ``http``, without OAuth."""

    def __init__(self, *, allow_http: bool, clock: Callable[[], float] = time.time) -> None:
        """Start the thread. ``clock`` returns unix seconds: when attempts started, and for dates in Retry-After."""
        self._clock = clock
        self._protocols = pycurl.PROTO_HTTPS | (pycurl.PROTO_HTTP if allow_http else 0)
        self._inbox: deque[tuple[InFlight, Request]] = deque()
        self._outbox: deque[tuple[InFlight, Outcome]] = deque()
        self._closing = False
        self._error: BaseException | None = None
        self._poll = DefaultSelector()
        self._has_work = WakeUp()
        self._has_ended = WakeUp()
        self._poll.register(self._has_work, EVENT_READ)
        self._timer: float | None = None
        self._watched: set[int] = set()
        self._idle: list[Exchange] = []
        self._lookups = Lookups(self._has_work.set)
        self._multi = self._new_multi()
        self._thread = Thread(target=self._run, name="http-sender", daemon=True)
        self._thread.start()

    def _new_multi(self) -> Any:
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        connections = max_connections()
        multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, connections)
        multi.setopt(pycurl.M_MAXCONNECTS, min(MAX_KEPT_CONNECTIONS, connections))
        return multi

    def prepare(self, claimed: Claimed, target: DeliveryTarget, now: float, bearer: str = "") -> Request | NotSent:
        """Compose the request, with an access token (``bearer``) where the endpoint requires one."""
        return compose(claimed, target, now, bearer)

    def submit(self, attempts: Sequence[tuple[InFlight, Request]]) -> None:
        """Start these attempts. Their timeouts run from here."""
        self._inbox.extend(attempts)
        self._has_work.set()

    def take(self) -> list[tuple[InFlight, Outcome]]:
        """Return every attempt that has ended since the last call. Raises what ended the thread, if anything did."""
        if self._error is not None:
            raise self._error
        self._has_ended.clear()
        return [self._outbox.popleft() for _ in range(len(self._outbox))]

    def fileno(self) -> int:
        """Return a descriptor that is readable when an attempt has ended."""
        return self._has_ended.fileno()

    def close(self) -> None:
        """Abandon what is still in flight, and end the thread."""
        self._closing = True
        self._has_work.set()
        self._thread.join()
        self._poll.close()
        self._has_work.close()
        self._has_ended.close()

    # The methods below run in the thread.

    def _run(self) -> None:
        in_flight: set[Exchange] = set()
        try:
            self._loop(in_flight)
        except BaseException as error:
            self._error = error
            self._has_ended.set()
        finally:
            self._abandon(in_flight)

    def _loop(self, in_flight: set[Exchange]) -> None:
        while not self._closing:
            for key, events in self._poll.select(self._seconds_to_timer()):
                if key.fileobj is self._has_work:
                    self._has_work.clear()
                else:
                    self._multi.socket_action(key.fd, _flags(events))
            self._start(in_flight)
            self._start_resolved(in_flight)
            if self._timer is not None and self._timer <= time.monotonic():
                self._timer = None
                self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._finish(in_flight)

    def _abandon(self, in_flight: set[Exchange]) -> None:
        for exchange in in_flight:
            self._multi.remove_handle(exchange.curl)
            exchange.close()
        for exchange in self._idle:
            exchange.close()
        self._idle.clear()
        self._multi.close()
        del self._multi  # its callbacks refer to this sender

    def _seconds_to_timer(self) -> float | None:
        moments = [it for it in (self._timer, self._lookups.next_deadline) if it is not None]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _start(self, in_flight: set[Exchange]) -> None:
        while self._inbox:
            attempt, request = self._inbox.popleft()
            target = target_of(request.url)
            if target is None or target.is_literal:
                self._begin(in_flight, attempt, request)
            elif (known := self._lookups.find(request)) is not None:
                self._begin(in_flight, attempt, request, f"{target.host}:{target.port}", known)
            else:
                now = time.monotonic()
                self._lookups.wait(Waiting(attempt, request, now, now + request.timeout_ms / 1000))

    def _start_resolved(self, in_flight: set[Exchange]) -> None:
        for waiting, result in self._lookups.take():
            waited = time.monotonic() - waiting.started
            if isinstance(result, Resolution) and (target := target_of(waiting.request.url)) is not None:
                authority = f"{target.host}:{target.port}"
                self._begin(in_flight, waiting.attempt, waiting.request, authority, result, waited)
            else:
                self._outbox.append((waiting.attempt, _not_resolved(result, self._clock() - waited, waited)))
                self._has_ended.set()

    def _begin(
        self,
        in_flight: set[Exchange],
        attempt: InFlight,
        request: Request,
        authority: str = "",
        resolution: Resolution | None = None,
        waited: float = 0.0,
    ) -> None:
        exchange = self._idle.pop() if self._idle else Exchange(self._protocols, self._clock)
        try:
            exchange.begin(attempt, request, authority, resolution.addresses if resolution else (), waited)
        except (ValueError, pycurl.error) as error:  # a URL or a header that libcurl does not accept: ours to prevent
            telemetry.not_sent(attempt.claimed.id, error)
            self._end(exchange, pycurl.E_BAD_FUNCTION_ARGUMENT)
            self._has_ended.set()
            return
        in_flight.add(exchange)
        self._multi.add_handle(exchange.curl)

    def _finish(self, in_flight: set[Exchange]) -> None:
        left = 1
        ended: list[tuple[Exchange, int]] = []
        while left:
            left, succeeded, failed = self._multi.info_read()
            ended += [(curl.exchange, 0) for curl in succeeded]
            ended += [(curl.exchange, code) for curl, code, _ in failed]
        for exchange, code in ended:
            self._multi.remove_handle(exchange.curl)
            in_flight.discard(exchange)
            self._end(exchange, code)
        if ended:
            self._has_ended.set()

    def _end(self, exchange: Exchange, code: int) -> None:
        self._outbox.append(exchange.end(code))
        if exchange.is_reusable and len(self._idle) < MAX_IDLE_HANDLES:
            self._idle.append(exchange)
        else:
            exchange.close()  # no client certificate stays on a handle that another endpoint may get

    def _on_socket(self, what: int, fd: int, _multi: Any, _data: Any) -> None:
        if what == pycurl.POLL_REMOVE:
            self._poll.unregister(fd)
            self._watched.discard(fd)
            return
        events = (EVENT_READ if what & pycurl.POLL_IN else 0) | (EVENT_WRITE if what & pycurl.POLL_OUT else 0)
        if fd in self._watched:
            self._poll.modify(fd, events)
        else:
            self._poll.register(fd, events)
            self._watched.add(fd)

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


def _flags(events: int) -> int:
    return (pycurl.CSELECT_IN if events & EVENT_READ else 0) | (pycurl.CSELECT_OUT if events & EVENT_WRITE else 0)
