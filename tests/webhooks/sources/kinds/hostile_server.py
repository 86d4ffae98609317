"""A server on a real socket that says what no other system should say, to every connection, until it is closed."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

Behaviour = Callable[[socket.socket], None]
PIECE = b"\x00" * 256 * 1024


class HostileServer:
    """Accept connections and run a behaviour for each in a thread; what the client closes ends it."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.sent = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="hostile server", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[connection], name="hostile connection", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(30)
            self._behaviour(connection)


def says_nothing(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def closes_at_once(_connection: socket.socket) -> None:
    pass


def talks_nonsense(connection: socket.socket) -> None:
    nonsense = bytes(range(256)) * 256
    while True:
        connection.sendall(nonsense)


def sends_a_byte_now_and_then(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"\x01")
        time.sleep(0.02)


def begins(start: bytes, *, then: bytes = b"", after_request: bool = True) -> Behaviour:
    """Return a behaviour that sends ``start``, then ``then`` without end; without it, it closes in the middle."""

    def begin(connection: socket.socket) -> None:
        if after_request:
            connection.recv(65536)
        connection.sendall(start)
        while then:
            connection.sendall(then)

    return begin
