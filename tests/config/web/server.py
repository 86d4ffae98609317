"""Run an ASGI application on the platform's server options, in a thread of the test."""

import asyncio
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import uvicorn

from config.web.server import OPTIONS
from tests.api.checked_responses import check_received, described_path
from tests.waiting import wait_until


@contextmanager
def serving(application: Any, *, is_forced: bool = True, **options: Any) -> Iterator[int]:
    """Yield the port of a server. Unless ``is_forced``, it lets the requests in progress end when it is stopped."""
    config = uvicorn.Config(application, port=0, **{**OPTIONS, "loop": "asyncio", **options})
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the server")
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.force_exit, server.should_exit = is_forced, True
        thread.join()


def exchange(port: int, *pieces: bytes) -> bytes:
    """Send bytes over one connection, and return all that is received until the server closes it."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                wire.sendall(piece)
        received = b""
        with suppress(ConnectionResetError):
            while piece := wire.recv(65536):
                received += piece
        return received


def send(port: int, method: str, path: str, body: Any = None, **how: Any) -> tuple[int, dict[str, str], bytes]:
    """Send one request, and return status, headers and body of the response, which has to be as it is described."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as line:
        line.request(method, path, body, **how)
        response = line.getresponse()
        found = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    content_type = how.get("headers", {}).get("Content-Type", "")
    check_received(method, described_path(path, content_type), *found)
    return found
