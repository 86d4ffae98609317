"""Many POSTs in flight on one curl multi handle; every failure comes back as an Outcome.

A thread of its own runs libcurl, so that a slow database never makes a punctual answer look late. It waits on the
sockets that libcurl names (``socket_action``): an attempt that hangs costs nothing until its deadline. Requests go
in by ``submit``, results come out by ``take``; ``fileno`` becomes readable when there are some.

What an attempt may do (design, 4.3): one absolute deadline for everything; no redirects; no proxy, cookie or
password file from the environment; identity encoding; at most 16 KiB of the answer, then the connection is closed;
and every connection is opened only to an address that ``Request.admits`` has let pass: the very address, after
resolution, so that no second lookup can change it.
"""

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from threading import Thread
from types import TracebackType
from typing import Any, Self

import pycurl

from delivery.outcome import Failure, Outcome, parse_retry_after
from subscriptions.certificates import TlsFiles

__all__ = ["Heard", "Request", "Result", "Sender"]

CONNECT_TIMEOUT_MS = 5_000
MAX_ANSWER = 16 * 1024  # bytes of the answer's body that are kept
MAX_HEADERS = 32 * 1024  # bytes of the answer's header section, interim answers included
KEPT_CONNECTIONS = 1_024


@dataclass(slots=True)
class Heard:
    """What of an exchange deliveries do not keep, for whoever wants to see it: the answer's headers, and
    milliseconds from the start to the end of each of its steps."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    timing: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One attempt to make. ``admits`` says whether an IP address may be connected to; ``context`` is the caller's;
    ``tls`` is what this endpoint's connections are made with, if it is anything of its own; ``heard`` is filled."""

    url: str
    headers: list[str]
    body: bytes
    timeout_ms: int
    admits: Callable[[str], bool]
    context: Any = None
    tls: TlsFiles | None = None
    heard: Heard | None = None

    def heard_by(self, heard: Heard) -> "Request":
        """The same request, all of whose answer is wanted."""
        return replace(self, heard=heard)


Result = tuple[Request, Outcome]


class Sender:
    """Use as a context manager. Leaving it abandons what is still in flight: wait for that first."""

    def __init__(self, *, allow_http: bool) -> None:
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
        self._idle: list[_Exchange] = []
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
        under_way: set[_Exchange] = set()
        try:
            self._turn(under_way)
        except BaseException as error:
            self._broken = error
            _poke(self._done_out)
        finally:
            self._abandon(under_way)

    def _turn(self, under_way: "set[_Exchange]") -> None:
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

    def _abandon(self, under_way: "set[_Exchange]") -> None:
        for exchange in under_way:
            self._multi.remove_handle(exchange.curl)
            exchange.curl.close()
        for exchange in self._idle:
            exchange.curl.close()
        self._multi.close()

    def _until_timer(self) -> float | None:
        return None if self._timer is None else max(0.0, self._timer - time.monotonic())

    def _start(self, under_way: "set[_Exchange]") -> None:
        while self._inbox:
            exchange = self._idle.pop() if self._idle else _Exchange(self._protocols)
            try:
                exchange.begin(self._inbox.popleft())
            except (ValueError, pycurl.error):  # a URL or a header that libcurl does not take
                self._end(exchange, pycurl.E_URL_MALFORMAT)
                _poke(self._done_out)
                continue
            under_way.add(exchange)
            self._multi.add_handle(exchange.curl)

    def _finish(self, under_way: "set[_Exchange]") -> None:
        left = 1
        ended: list[tuple[_Exchange, int]] = []
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

    def _end(self, exchange: "_Exchange", code: int) -> None:
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


class _Exchange:
    """One reusable curl handle with what it has heard of the current answer."""

    def __init__(self, protocols: int) -> None:
        self.request: Request
        self.is_plain = True
        self.curl = curl = pycurl.Curl()
        curl.exchange = self
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.NOPROXY, "*")
        curl.setopt(pycurl.PATH_AS_IS, 1)
        curl.setopt(pycurl.PROTOCOLS, protocols)
        curl.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        curl.setopt(pycurl.PREREQFUNCTION, self._on_request)
        curl.setopt(pycurl.HEADERFUNCTION, self._on_header)
        curl.setopt(pycurl.WRITEFUNCTION, self._on_body)

    def begin(self, request: Request) -> None:
        self.request = request
        self.started_at = time.time()
        self.started = time.monotonic()  # somebody may set the clock meanwhile
        self.status: int | None = None
        self.status_line = b""
        self.header_bytes = 0
        self.retry_after = ""
        self.answer = b""
        self.refused = False
        self.asked = False
        curl = self.curl
        curl.setopt(pycurl.URL, request.url)
        curl.setopt(pycurl.HTTPHEADER, request.headers)
        curl.setopt(pycurl.POSTFIELDS, request.body)
        curl.setopt(pycurl.TIMEOUT_MS, request.timeout_ms)
        if request.tls is not None:
            self._identify(request.tls)
        if request.heard is not None:
            self._listen(request.heard)

    def _identify(self, files: TlsFiles) -> None:
        """libcurl reuses a connection only for requests with the same certificate, key and authorities."""
        self.is_plain = False
        if files.certificate and files.private_key:
            self.curl.setopt(pycurl.SSLCERT_BLOB, files.certificate)
            self.curl.setopt(pycurl.SSLKEY_BLOB, files.private_key)
        if files.ca:
            self.curl.setopt(pycurl.CAINFO_BLOB, files.ca)

    def _listen(self, heard: Heard) -> None:
        self.is_plain = False

        def on_header(line: bytes) -> int:
            name, colon, value = line.decode("latin-1").partition(":")
            if line[:5] == b"HTTP/":
                heard.headers.clear()  # those before were of an interim answer
            elif colon:
                heard.headers.append((name.strip().lower(), value.strip()))
            return self._on_header(line)

        self.curl.setopt(pycurl.HEADERFUNCTION, on_header)

    def end(self, code: int) -> Result:
        if self.request.heard is not None:
            times = {name: round(self.curl.getinfo(what) * 1000) for name, what in STEPS.items()}
            self.request.heard.timing.update({name: it for name, it in times.items() if it})
        outcome = Outcome(
            started_at=self.started_at,
            duration_ms=round((time.monotonic() - self.started) * 1000),
            status=self.status,
            failure=self._failure(code),
            answer=self.answer,
            retry_after=parse_retry_after(self.retry_after, time.time()) if self.retry_after else None,
        )
        return self.request, outcome

    def _failure(self, code: int) -> Failure | None:
        if self.status is not None:  # the header section was complete: the answer stands, however its body ended
            return None if 200 <= self.status < 300 else Failure.STATUS
        if self.refused:
            return Failure.FORBIDDEN
        return FAILURES.get(code, Failure.PROTOCOL)

    def _open(self, purpose: int, address: Any) -> Any:
        if not self.request.admits(address.addr[0]):
            self.refused = True  # one refused address refuses the name, as when the URL was saved
        if self.refused:
            return pycurl.SOCKET_BAD
        return _Handed(address.family, address.socktype, address.protocol)

    def _on_request(self, *_connection: Any) -> int:
        """Connected, and about to ask: once per attempt."""
        if self.asked:
            return int(pycurl.PREREQFUNC_ABORT)
        self.asked = True
        return int(pycurl.PREREQFUNC_OK)

    def _on_header(self, line: bytes) -> int:
        self.header_bytes += len(line)
        if self.header_bytes > MAX_HEADERS:
            return 0  # ends the transfer
        if line[:5] == b"HTTP/":
            self.status_line = line
        elif line in (b"\r\n", b"\n"):
            self.status = _final_status(self.status_line)
        elif line[:12].lower() == b"retry-after:":
            self.retry_after = line[12:].decode("latin-1")
        return len(line)

    def _on_body(self, chunk: bytes) -> int:
        room = MAX_ANSWER - len(self.answer)
        self.answer += chunk[:room]
        return len(chunk) if len(chunk) <= room else 0  # 0 ends the transfer and closes the connection


class _Handed:
    """A socket for pycurl, which works on a duplicate of its descriptor: the original closes when it lets go."""

    __slots__ = ("_fd",)

    def __init__(self, family: int, kind: int, protocol: int) -> None:
        self._fd = socket.socket(family, kind, protocol).detach()

    def fileno(self) -> int:
        return self._fd

    def __del__(self) -> None:
        os.close(self._fd)


STEPS = {
    "resolved_ms": pycurl.NAMELOOKUP_TIME,
    "connected_ms": pycurl.CONNECT_TIME,
    "tls_ms": pycurl.APPCONNECT_TIME,
    "first_byte_ms": pycurl.STARTTRANSFER_TIME,
    "total_ms": pycurl.TOTAL_TIME,
}

FAILURES = {
    pycurl.E_OPERATION_TIMEDOUT: Failure.TIMEOUT,
    pycurl.E_COULDNT_RESOLVE_HOST: Failure.DNS,
    pycurl.E_COULDNT_CONNECT: Failure.CONNECT,
    pycurl.E_GOT_NOTHING: Failure.RESET,
    pycurl.E_ABORTED_BY_CALLBACK: Failure.RESET,
    pycurl.E_SEND_ERROR: Failure.RESET,
    pycurl.E_RECV_ERROR: Failure.RESET,
    pycurl.E_PARTIAL_FILE: Failure.RESET,
    pycurl.E_SSL_CONNECT_ERROR: Failure.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: Failure.TLS,
    pycurl.E_SSL_CERTPROBLEM: Failure.TLS,
    pycurl.E_SSL_CIPHER: Failure.TLS,
    pycurl.E_SSL_ISSUER_ERROR: Failure.TLS,
    pycurl.E_SSL_INVALIDCERTSTATUS: Failure.TLS,
    98: Failure.TLS,  # CURLE_SSL_CLIENTCERT, which pycurl has no name for: it wants a client certificate
}


def _final_status(line: bytes) -> int | None:
    """The status in ``HTTP/1.1 200 OK``; None for an interim one (1xx), whose header section ends nothing, and for
    what is not three digits (RFC 9112, 4): libcurl shows us the line before it judges it."""
    words = line.split(None, 2)
    digits = words[1] if len(words) > 1 else b""
    return int(digits) if len(digits) == 3 and digits.isdigit() and digits >= b"200" else None


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
