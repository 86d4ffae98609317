"""Serve HTTP/1.1, with or without TLS, byte by byte as a behaviour says.

A behaviour is a function of a connection and the number of the request on it, from 1, called when the head of a request
has arrived. It returns whether the connection stays open.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from tests.pki import Authority

Serve = Callable[["Http1Connection", int], bool]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@dataclass
class Http1Server:
    """Use as a context manager. ``requests`` counts the heads that arrived; ``version``: of TLS, if any."""

    serve: Serve
    version: ssl.TLSVersion | None = None
    requests: int = 0

    def __enter__(self) -> Self:
        self.authority = Authority()
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._connections: list[socket.socket] = []
        self._tls: ssl.SSLContext | None = None
        if self.version is not None:
            with TemporaryDirectory() as folder:
                self._tls = self.authority.server(Path(folder))
            self._tls.minimum_version = self._tls.maximum_version = self.version
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

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._listening.getsockname()[1]}/"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return  # closed
            self._connections.append(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        try:
            with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as wrapped:
                Http1Connection(self, wrapped).run()
        except OSError:
            return  # the client has closed the connection, or the server did


class Http1Connection:
    """One connection of an Http1Server."""

    def __init__(self, server: Http1Server, connection: socket.socket) -> None:
        self.server = server
        self.socket = connection
        self._reader = connection.makefile("rb")
        self._length = 0

    def run(self) -> None:
        number = 0
        while self._read_head():
            number += 1
            with self.server.lock:
                self.server.requests += 1
            if not self.server.serve(self, number):
                return

    def _read_head(self) -> bool:
        if not self._reader.readline():
            return False
        while (line := self._reader.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                self._length = int(value)
        return True

    def read_body(self) -> None:
        self._reader.read(self._length)

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reset(self) -> None:
        """Break the connection, so that what was sent and not read is lost as well."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def ok(connection: Http1Connection, _number: int) -> bool:
    connection.read_body()
    connection.write(OK)
    return True


def announces_its_end_after(every: int) -> Serve:
    """Close after so many requests, with `Connection: close` in the last response."""

    def serve(connection: Http1Connection, number: int) -> bool:
        connection.read_body()
        connection.write(OK if number < every else OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        return number < every

    return serve


def closes_after(every: int) -> Serve:
    """Close after so many responses, without a word."""

    def serve(connection: Http1Connection, number: int) -> bool:
        connection.read_body()
        connection.write(OK)
        return number < every

    return serve


def closes_on_request(every: int, *, resets: bool = False) -> Serve:
    """Respond to so many requests, and close the connection when the next one arrives, as an idle timeout may."""

    def serve(connection: Http1Connection, number: int) -> bool:
        connection.read_body()
        if number <= every:
            connection.write(OK)
            return True
        if resets:
            connection.reset()
        return False

    return serve


def stalls(connection: Http1Connection, _number: int) -> bool:
    """Respond 200, and never end the body."""
    connection.read_body()
    connection.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthanks")
    return not connection.server.closing.wait()


def responds_early(connection: Http1Connection, _number: int) -> bool:
    """Respond as soon as the head has arrived, and read the body afterwards."""
    connection.write(OK)
    connection.read_body()
    return True


def responds_early_and_closes(connection: Http1Connection, _number: int) -> bool:
    """Respond as soon as the head has arrived, and read no more."""
    connection.write(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    connection.socket.shutdown(socket.SHUT_WR)
    connection.server.closing.wait(0.2)  # closed at once, the response would be lost with the unread body
    return False


def continues(connection: Http1Connection, _number: int) -> bool:
    """Respond 100 and 103 before the body is read, without having been asked."""
    connection.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
    return ok(connection, 0)


def chunks(connection: Http1Connection, _number: int) -> bool:
    """Respond in chunks, with an extension and a trailer."""
    connection.read_body()
    connection.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n3;a=b\r\none\r\n")
    connection.write(b"3\r\ntwo\r\n0\r\nx-end: 1\r\n\r\n")
    return True


def speaks_http_1_0(connection: Http1Connection, _number: int) -> bool:
    """Respond as HTTP/1.0: the end of the connection is the end of the body."""
    connection.read_body()
    connection.write(b"HTTP/1.0 200 OK\r\n\r\nthanks")
    return False


def big_headers(connection: Http1Connection, _number: int) -> bool:
    """Respond 200 with 40 KiB of headers: more than are read."""
    connection.read_body()
    lines = b"".join(b"x-%d: %s\r\n" % (number, b"." * 1000) for number in range(40))
    connection.write(OK.replace(b"\r\n\r\n", b"\r\n" + lines + b"\r\n"))
    return True


def closes_new_connections(connection: Http1Connection, _number: int) -> bool:
    """Close every connection at its first request."""
    connection.read_body()
    return False
