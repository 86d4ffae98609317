"""Run a TCP proxy that misbehaves on request, as networks and failing servers do.

    with Proxy(port_of_the_server) as proxy:
        proxy.mode = "cut"      # for every open and new connection
        proxy.mode = "pass"

The proxy knows no HTTP: bytes of the client are the request, bytes of the server the response.
"""

import itertools
import select
import socket
import struct
import threading
from dataclasses import dataclass
from typing import Self

CHUNK = 65_536
POLL_SECONDS = 0.05  # seconds
DRIP_SECONDS = 0.2  # seconds between two bytes of a response
STRIDE, LONGEST = 37, 1_500  # bytes; each next request is cut STRIDE later, up to LONGEST, then from 0 again
GARBAGE = b"220 mail.example.com ESMTP ready\r\n" * 3

MODES = ("pass", "refuse", "hang", "break", "cut", "hang in headers", "drip", "garbage")


class Proxy:
    """Use as a context manager. ``cuts`` counts the responses that did not reach the client unchanged."""

    def __init__(self, server: int) -> None:
        self.mode = "pass"
        self.cuts = 0
        self.closing = threading.Event()
        self.lengths = itertools.cycle(range(0, LONGEST, STRIDE))
        self._server = server
        self._listener: socket.socket | None = listen(0)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        self._thread.join()
        if self._listener is not None:
            self._listener.close()

    def _run(self) -> None:
        while not self.closing.wait(0):
            if self.mode == "refuse":
                self._refuse()
            else:
                self._accept()

    def _refuse(self) -> None:
        """Close the listener, so that the kernel refuses connections."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.closing.wait(POLL_SECONDS)

    def _accept(self) -> None:
        if self._listener is None:
            self._listener = listen(self.port)
        try:
            client, _ = self._listener.accept()
        except TimeoutError:
            return
        threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, socket.create_connection(("127.0.0.1", self._server)) as server:
                pair = ProxiedConnection(self, client, server)
                while not self.closing.is_set() and pair.forward():
                    pass
        except OSError:
            pass  # one side has disconnected


@dataclass
class ProxiedConnection:
    """A client connection and the server connection behind it.

    ``room``: bytes of the request that still pass before the break. ``requested``: request bytes have passed since the
    server's last bytes.
    """

    proxy: Proxy
    client: socket.socket
    server: socket.socket
    room: int | None = None
    requested: bool = False

    def forward(self) -> bool:
        """Forward available bytes as the mode says; return False at the end of the connection."""
        if self.proxy.mode in ("hang", "refuse"):
            self._wait_while("hang")
            self.proxy.cuts += self.requested
            return reset(self.client)
        ready, _, _ = select.select([self.client, self.server], [], [], POLL_SECONDS)
        if self.client in ready and not self._request(self.client.recv(CHUNK)):
            return False
        return self.server not in ready or self._response(self.server.recv(CHUNK))

    def _request(self, data: bytes) -> bool:
        self.requested = True
        if self.proxy.mode != "break":
            self.server.sendall(data)
            return bool(data)
        self.room = next(self.proxy.lengths) if self.room is None else self.room
        self.server.sendall(data[: self.room])
        self.room -= len(data)
        return bool(data) and (self.room >= 0 or reset(self.client))

    def _response(self, data: bytes) -> bool:
        mode, self.requested = self.proxy.mode, False
        if not data or mode in ("pass", "break"):
            self.client.sendall(data)
            return bool(data)
        self.proxy.cuts += 1
        if mode == "drip":
            return self._drip(data)
        if mode == "hang in headers":
            self.client.sendall(data.split(b"\r\n")[0] + b"\r\n")
            self._wait_while(mode)
        if mode == "garbage":
            self.client.sendall(GARBAGE)
            return False
        return reset(self.client)

    def _drip(self, data: bytes) -> bool:
        for byte in data:
            self.client.sendall(bytes([byte]))
            if self.proxy.closing.wait(DRIP_SECONDS):
                return False
        return True

    def _wait_while(self, mode: str) -> None:
        while self.proxy.mode == mode and not self.proxy.closing.wait(POLL_SECONDS):
            pass


def listen(port: int) -> socket.socket:
    """Open a listening socket on loopback."""
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    listener.settimeout(POLL_SECONDS)
    return listener


def reset(connection: socket.socket) -> bool:
    """Reset the connection, and return False."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False
