"""Many POSTs in flight on one curl multi handle; every failure comes back as an Outcome.

A thread of its own runs libcurl, so that a slow database never makes a punctual answer look late. It waits on the
sockets that libcurl names (``socket_action``): an attempt that hangs costs nothing until its deadline. Requests go
in by ``submit``, results come out by ``take``; ``fileno`` becomes readable when there are some. What each attempt
may do: see ``exchange``.
"""

import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from threading import Thread
from types import TracebackType
from typing import Any, Self

import pycurl

from delivery.transports.http.exchange import Exchange, Request, Result

__all__ = ["Sender"]

KEPT_CONNECTIONS = 1_024


class Sender:
    """Use as a context manager. Leaving it abandons what is still in flight: wait for that first."""

    def __init__(self, *, allow_http: bool, clock: Callable[[], float] = time.time) -> None:
        """``clock`` tells the unix second in which an attempt began, and how long a date in Retry-After is off."""
        self._clock = clock
        self._protocols = pycurl.PROTO_HTTPS | (pycurl.PROTO_HTTP if allow_http else 0)
        self._inbox: deque[Request] = deque()
        self._outbox: deque[Result] = deque()
        self._closing = False
        self._broken: BaseException | None = None
        self._poll = DefaultSelector()
        self._wake_in, self._wake_out = _pipe()
        self._done_in, self._done_out = _pipe()
        self._poll.register(self._wake_in, EVENT_READ)
        self._timer: float | None = None
        self._watched: set[int] = set()
        self._idle: list[Exchange] = []
        self._multi = self._new_multi()
        self._thread = Thread(target=self._run, name="sender", daemon=True)

    def _new_multi(self) -> Any:
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        multi.setopt(pycurl.M_MAXCONNECTS, KEPT_CONNECTIONS)
        return multi

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        _poke(self._wake_out)
        self._thread.join()
        self._poll.close()
        for end in (self._wake_in, self._wake_out, self._done_in, self._done_out):
            end.close()

    def fileno(self) -> int:
        return self._done_in.fileno()

    def submit(self, requests: Iterable[Request]) -> None:
        """Start these attempts now. Their deadlines run from here."""
        self._inbox.extend(requests)
        _poke(self._wake_out)

    def take(self) -> list[Result]:
        """Everything that has ended since the last call; does not wait. Raises what broke the thread, if it did."""
        if self._broken is not None:
            raise self._broken
        _drain(self._done_in)
        return [self._outbox.popleft() for _ in range(len(self._outbox))]

    # The thread.

    def _run(self) -> None:
        under_way: set[Exchange] = set()
        try:
            self._turn(under_way)
        except BaseException as error:
            self._broken = error
            _poke(self._done_out)
        finally:
            self._abandon(under_way)

    def _turn(self, under_way: "set[Exchange]") -> None:
        while not self._closing:
            for key, events in self._poll.select(self._until_timer()):
                if key.fileobj is self._wake_in:
                    _drain(self._wake_in)
                else:
                    self._multi.socket_action(key.fd, _flags(events))
            self._start(under_way)
            if self._timer is not None and self._timer <= time.monotonic():
                self._timer = None
                self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._finish(under_way)

    def _abandon(self, under_way: "set[Exchange]") -> None:
        for exchange in under_way:
            self._multi.remove_handle(exchange.curl)
            exchange.curl.close()
        for exchange in self._idle:
            exchange.curl.close()
        self._multi.close()

    def _until_timer(self) -> float | None:
        return None if self._timer is None else max(0.0, self._timer - time.monotonic())

    def _start(self, under_way: "set[Exchange]") -> None:
        while self._inbox:
            exchange = self._idle.pop() if self._idle else Exchange(self._protocols, self._clock)
            try:
                exchange.begin(self._inbox.popleft())
            except (ValueError, pycurl.error):  # a URL or a header that libcurl does not take
                self._end(exchange, pycurl.E_URL_MALFORMAT)
                _poke(self._done_out)
                continue
            under_way.add(exchange)
            self._multi.add_handle(exchange.curl)

    def _finish(self, under_way: "set[Exchange]") -> None:
        left = 1
        ended: list[tuple[Exchange, int]] = []
        while left:
            left, succeeded, failed = self._multi.info_read()
            ended += [(curl.exchange, 0) for curl in succeeded]
            ended += [(curl.exchange, code) for curl, code, _ in failed]
        for exchange, code in ended:
            self._multi.remove_handle(exchange.curl)
            under_way.discard(exchange)
            self._end(exchange, code)
        if ended:
            _poke(self._done_out)

    def _end(self, exchange: "Exchange", code: int) -> None:
        self._outbox.append(exchange.end(code))
        if exchange.is_plain:
            self._idle.append(exchange)
        else:
            exchange.curl.close()  # a client certificate is never left on a handle that another endpoint may get

    def _on_socket(self, what: int, fd: int, multi: Any, data: Any) -> None:
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


def _pipe() -> tuple[socket.socket, socket.socket]:
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    return reader, writer


def _poke(writer: socket.socket) -> None:
    try:
        writer.send(b"!")
    except BlockingIOError:
        pass  # full of pokes: the reader will wake


def _drain(reader: socket.socket) -> None:
    try:
        while reader.recv(4096):
            pass
    except BlockingIOError:
        pass
