"""Run an HTTP server on loopback that responds as scripted for each path, and records the requests.

    with Receiver() as receiver:
        receiver.script("/orders", 500, 500, 200)       # in this order; the last one repeats
        ... receiver.url("/orders") ...
        receiver.wait_for(3, "/orders")

A response is a status, or one of the functions below, which misbehave as servers do.
"""

import gzip
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook

from tests.waiting import wait_until

Respond = Callable[["Exchange"], None]


@dataclass(frozen=True)
class Arrival:
    """One request; ``connection`` identifies its connection, ``at`` is in unix seconds."""

    path: str
    headers: Message
    body: bytes
    connection: int
    at: float = field(default_factory=time.time)

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> Any:
        """Return the body as JSON. Raises standardwebhooks.WebhookVerificationError if another secret signed it."""
        return Webhook(secret).verify(self.body, {name.lower(): value for name, value in self.headers.items()})


class Receiver:
    """Use as a context manager: leaving it ends every exchange, even hanging ones."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.closing = threading.Event()
        self.arrivals: list[Arrival] = []
        self._scripts: dict[str, Iterator[Respond]] = {}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), Exchange)
        self._server.receiver = self
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="receiver", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self.port}{path}"

    def script(self, path: str, *responses: int | Respond) -> str:
        """Respond to requests to this path in this way instead of with 200; return its URL."""
        self._scripts[path] = _for_ever([status(it) if isinstance(it, int) else it for it in responses])
        return self.url(path)

    def at(self, path: str) -> list[Arrival]:
        return [it for it in list(self.arrivals) if it.path == path]

    def counts(self) -> Counter[str]:
        """Count the requests of each message."""
        return Counter(it.message_id for it in list(self.arrivals))

    def wait_for(self, count: int, path: str | None = None) -> list[Arrival]:
        """Wait for this many requests, to this path or to all, and return them."""

        def arrived() -> list[Arrival]:
            return self.at(path) if path else list(self.arrivals)

        wait_until(lambda: len(arrived()) >= count, f"{count} arrivals at {path or 'all paths'}")
        return arrived()

    def take(self, arrival: Arrival) -> Respond:
        """Record a request and return how to respond."""
        with self._lock:
            self.arrivals.append(arrival)
            script = self._scripts.get(arrival.path)
            return next(script) if script else status(200)


def _for_ever(responses: list[Respond]) -> Iterator[Respond]:
    yield from responses
    while True:
        yield responses[-1]


class Exchange(BaseHTTPRequestHandler):
    """One connection; responses are written with its methods."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        arrival = Arrival(self.path, self.headers, body, connection=self.client_address[1])
        self.server.receiver.take(arrival)(self)

    do_GET = do_OPTIONS = do_PUT = do_POST

    def write(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def head(self, code: int, **headers: str | int) -> None:
        """Write the head of a response; ``retry_after=5`` becomes ``retry-after: 5``."""
        lines = [f"HTTP/1.1 {code} Scripted"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def pause(self, seconds: float | None = None) -> bool:
        """Wait this long (None: until the server closes); return False if the server is closing."""
        return not self.server.receiver.closing.wait(seconds)

    def reset(self) -> None:
        """Break the connection, so that the other side sees a reset and not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):
            self.close_connection = True  # the client has disconnected, as many tests intend

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            pass  # the client has disconnected

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the requests are in ``arrivals``."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True
    block_on_close = False
    receiver: Receiver

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End the connections that are kept alive, and with them their threads."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended already

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect, after a refused certificate or a timeout."""


# Responses.


def status(code: int, body: bytes = b"", **headers: str | int) -> Respond:
    def respond(exchange: Exchange) -> None:
        exchange.head(code, content_length=len(body), **headers)
        exchange.write(body)

    return respond


def slow(seconds: float, then: int = 200) -> Respond:
    """Respond after this many seconds."""

    def respond(exchange: Exchange) -> None:
        if exchange.pause(seconds):
            status(then)(exchange)

    return respond


def hang(exchange: Exchange) -> None:
    """Never respond; when the server closes, so does the connection."""
    exchange.pause()
    exchange.close_connection = True


def drip_head(exchange: Exchange) -> None:
    """Start a response at once, and send one byte of its head every second."""
    for byte in b"HTTP/1.1 200 OK\r\nx-patience: " + b"." * 3600:
        exchange.write(bytes([byte]))
        if not exchange.pause(1):
            return


def drip_headers(exchange: Exchange) -> None:
    """Respond 200 at once, and send one byte of a header every second."""
    exchange.write(b"HTTP/1.1 200 OK\r\nx-patience: ")
    while exchange.pause(1):
        exchange.write(b".")


def raw(*parts: bytes) -> Respond:
    """Send these bytes instead of a well-formed response, and reset the connection."""

    def respond(exchange: Exchange) -> None:
        for part in parts:
            exchange.write(part)
        exchange.close_connection = True

    return respond


def switch_protocols(exchange: Exchange) -> None:
    """Switch to a protocol that the client did not ask for, and wait for the client to speak it."""
    exchange.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\nconnection: upgrade\r\n\r\n")
    exchange.pause(3600)
    exchange.close_connection = True


def drip_body(exchange: Exchange) -> None:
    """Respond 200 at once, and send one byte of the body every second."""
    exchange.head(200, content_length=3600)
    for _ in range(3600):
        exchange.write(b".")
        if not exchange.pause(1):
            return


def reset(exchange: Exchange) -> None:
    """Read the request and reset the connection."""
    exchange.reset()


def hang_up(exchange: Exchange) -> None:
    """Read the request and close the connection without a response."""
    exchange.close_connection = True


def cut_short(exchange: Exchange) -> None:
    """Respond 200 with a length, and reset the connection in the middle of the body."""
    exchange.head(200, content_length=1000)
    exchange.write(b"." * 10)
    exchange.reset()


def redirect(to: str, code: int = 302) -> Respond:
    return status(code, location=to)


def huge(size: int) -> Respond:
    return status(200, b"x" * size)


def endless(exchange: Exchange) -> None:
    """Respond 200 with a body that never ends."""
    exchange.head(200, transfer_encoding="chunked")
    while exchange.pause(0):
        exchange.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def gzip_bomb(exchange: Exchange) -> None:
    """Respond with a few KiB that decompress to 10 MiB."""
    body = gzip.compress(b"\0" * (10 * 1024 * 1024))
    status(200, body, content_encoding="gzip")(exchange)


def huge_head(size: int) -> Respond:
    """Respond 200 with this many bytes of headers."""

    def respond(exchange: Exchange) -> None:
        exchange.head(200, **{f"x-{number}": "." * 1000 for number in range(size // 1000)}, content_length=0)
        exchange.write(b"")

    return respond


def garbage(exchange: Exchange) -> None:
    """Respond with something other than HTTP."""
    exchange.write(b"220 mail.example.com ESMTP ready\r\n" * 3)
    exchange.close_connection = True


def interim(times: int, then: int = 200) -> Respond:
    """Respond with this many ``103 Early Hints``, then with the status."""

    def respond(exchange: Exchange) -> None:
        for _ in range(times):
            exchange.head(103, link="</style.css>; rel=preload")
        status(then)(exchange)

    return respond
