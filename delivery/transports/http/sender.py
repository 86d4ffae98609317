"""Send many HTTP requests at once on one curl multi handle, in a thread of its own.

The thread keeps a slow database from making a response look late. It waits on the sockets that libcurl names
(``socket_action``), so an exchange that hangs costs nothing until its timeout. Attempts enter by ``submit`` and leave
by ``take``; ``fileno`` is readable when there are some. What one exchange may do: see ``exchange``.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from threading import Thread
from typing import Any

import pycurl

from delivery.sql.claim import Claimed
from delivery.transports.http.compose import compose
from delivery.transports.http.exchange import Exchange, Request
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Outcome
from delivery.transports.transport import NotSent
from delivery.transports.wake_up import WakeUp
from subscriptions.routing.targets import DeliveryTarget

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
        self._multi = self._new_multi()
        self._thread = Thread(target=self._run, name="http-sender", daemon=True)
        self._thread.start()

    def _new_multi(self) -> Any:
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        multi.setopt(pycurl.M_MAXCONNECTS, MAX_KEPT_CONNECTIONS)
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
        return None if self._timer is None else max(0.0, self._timer - time.monotonic())

    def _start(self, in_flight: set[Exchange]) -> None:
        while self._inbox:
            exchange = self._idle.pop() if self._idle else Exchange(self._protocols, self._clock)
            try:
                exchange.begin(*self._inbox.popleft())
            except (ValueError, pycurl.error):  # a URL or a header that libcurl does not accept
                self._end(exchange, pycurl.E_URL_MALFORMAT)
                self._has_ended.set()
                continue
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


def _flags(events: int) -> int:
    return (pycurl.CSELECT_IN if events & EVENT_READ else 0) | (pycurl.CSELECT_OUT if events & EVENT_WRITE else 0)
