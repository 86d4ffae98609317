"""Serve HTTP/2 over TLS as servers may, and some should not: one behaviour for each server.

A behaviour gets each request when it is complete (or, as ``on_head``, when its headers have come), and answers with the
methods of its connection.
"""

import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

from tests.pki import Authority

Respond = Callable[["Connection", int], None]


@dataclass
class H2Server:
    """Use as a context manager. ``requests`` counts what arrived, also what was refused."""

    respond: Respond
    on_head: Respond | None = None
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    requests: int = 0
    authority: Authority = field(default_factory=Authority)

    def __enter__(self) -> Self:
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._folder = TemporaryDirectory()
        self._tls = self.authority.server(Path(self._folder.name))
        self._tls.minimum_version = self._tls.maximum_version = self.version
        self._tls.set_alpn_protocols(["h2", "http/1.1"])
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()
        for connection in self._connections:
            connection.close()
        self._folder.cleanup()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._listening.getsockname()[1]}/"

    def count(self) -> int:
        """Count a request; return its number, from 1."""
        with self.lock:
            self.requests += 1
            return self.requests

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return  # closed
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with self._tls.wrap_socket(connection, server_side=True) as tls:
                if tls.selected_alpn_protocol() == "h2":
                    Connection(self, tls).run()
                else:
                    self._serve_http_1(tls)
        except (OSError, ProtocolError):
            return  # the client has closed the connection, or the server did

    def _serve_http_1(self, tls: ssl.SSLSocket) -> None:
        reader = tls.makefile("rb")
        while reader.readline():
            length = 0
            while (line := reader.readline()).strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            reader.read(length)
            self.count()
            tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


class Connection:
    """One connection of an H2Server. ``number`` counts its requests; ``stopped``: nothing is answered any more."""

    def __init__(self, server: H2Server, tls: ssl.SSLSocket) -> None:
        self.server = server
        self.tls = tls
        self.h2 = H2Connection(H2Configuration(client_side=False))
        self.number = 0
        self.stopped = False

    def run(self) -> None:
        self.h2.initiate_connection()
        self.flush()
        while data := self.tls.recv(65_536):
            if self.stopped:
                continue
            for event in self.h2.receive_data(data):
                self._handle(event)
                if self.stopped:
                    break
            self.flush()

    def _handle(self, event: Any) -> None:
        if isinstance(event, RequestReceived):
            self.server.count()
            self.number += 1
            if self.server.on_head:
                self.server.on_head(self, event.stream_id)
        elif isinstance(event, DataReceived) and not self.server.on_head:
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self.server.respond(self, event.stream_id)

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.tls.sendall(data)

    def ok(self, stream: int, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.h2.send_headers(stream, [(":status", str(status)), *headers], end_stream=True)

    def reset(self, stream: int, code: ErrorCodes) -> None:
        self.h2.reset_stream(stream, code)

    def go_away(self, last_stream: int, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Say that streams above this one are not processed, and answer nothing any more."""
        self.h2.close_connection(code, last_stream_id=last_stream)
        self.flush()
        self.stopped = True

    def hang_up(self) -> None:
        """Close the connection without a word of HTTP/2."""
        self.flush()
        self.stopped = True
        self.tls.shutdown(socket.SHUT_RDWR)


def ok(connection: Connection, stream: int) -> None:
    connection.ok(stream)


def nothing(_connection: Connection, _stream: int) -> None:
    """Do nothing: the request was answered when its headers came."""


def goes_away_above(every: int) -> Respond:
    """Answer so many requests of a connection, and declare the next one and all above it unprocessed."""

    def respond(connection: Connection, stream: int) -> None:
        if connection.number > every:
            connection.go_away(stream - 2)
        else:
            connection.ok(stream)

    return respond


def refuses_each(every: int) -> Respond:
    """Refuse each n-th request of a connection."""

    def respond(connection: Connection, stream: int) -> None:
        if connection.number % every == 0:
            connection.reset(stream, ErrorCodes.REFUSED_STREAM)
        else:
            connection.ok(stream)

    return respond


def resets_with(code: ErrorCodes) -> Respond:
    """Reset each stream with this code."""
    return lambda connection, stream: connection.reset(stream, code)


def hangs_up_after(every: int) -> Respond:
    """Close a connection without a GOAWAY when it has answered so many requests."""

    def respond(connection: Connection, stream: int) -> None:
        connection.ok(stream)
        if connection.number >= every:
            connection.hang_up()

    return respond


def stalls(connection: Connection, stream: int) -> None:
    """Respond 200, and never end the body."""
    connection.h2.send_headers(stream, [(":status", "200")])
    connection.h2.send_data(stream, b"thanks")


def answers_in_parts(connection: Connection, stream: int) -> None:
    """Respond 100 and 103, then 200 with a body in several frames."""
    for status in ("100", "103"):
        connection.h2.send_headers(stream, [(":status", status)])
    connection.h2.send_headers(stream, [(":status", "200")])
    for part in (b"one", b"two", b""):
        connection.h2.send_data(stream, part, end_stream=not part)


def big_headers(connection: Connection, stream: int) -> None:
    """Respond 200 with 24 KiB of headers, which take several frames."""
    connection.ok(stream, headers=tuple((f"x-{number}", "." * 1000) for number in range(24)))
