"""Test the loop of the web server: the header Date, and the end."""

import asyncio
import signal
import socket
import threading

import pytest
import uvicorn

from config.web import connection_limits
from config.web.connection_limits import limits
from config.web.server import OPTIONS, TicklessServer
from tests.config.web.server import exchange
from tests.waiting import wait_until


async def application(_scope: object, _receive: object, send: "object") -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


def start() -> tuple[TicklessServer, threading.Thread]:
    started = TicklessServer(uvicorn.Config(application, port=0, **{**OPTIONS, "loop": "asyncio"}))
    thread = threading.Thread(target=lambda: asyncio.run(started.serve()), daemon=True)
    thread.start()
    wait_until(lambda: started.started, "the server")
    return started, thread


def test_server_without_connections_stops_at_a_signal() -> None:
    started, thread = start()
    wait_until(lambda: bool(started.server_state.default_headers), "the header Date")
    started.handle_exit(signal.SIGTERM, None)
    thread.join()


def test_response_after_a_pause_without_connections_has_the_date_of_now() -> None:
    started, thread = start()
    port = started.servers[0].sockets[0].getsockname()[1]

    def date() -> bytes:
        response = exchange(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return next(line for line in response.split(b"\r\n") if line.lower().startswith(b"date:"))

    date()
    wait_until(lambda: limits._checked_by is None, "a pause")
    started.server_state.default_headers = [(b"date", b"long ago")]
    assert b"long ago" not in date()
    started.handle_exit(signal.SIGTERM, None)
    thread.join()


def test_date_is_renewed_while_a_connection_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_limits, "CHECK_EVERY", 0.01)
    started, thread = start()
    port = started.servers[0].sockets[0].getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        wait_until(lambda: bool(limits.open), "the connection")
        old = [(b"date", b"long ago")]
        started.server_state.default_headers = old
        wait_until(lambda: started.server_state.default_headers != old, "another date")
    started.handle_exit(signal.SIGTERM, None)
    thread.join()
