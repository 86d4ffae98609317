"""Test the loop of the web server: the header Date, and the end."""

import asyncio
import signal
import threading

import pytest
import uvicorn

from config.web import server
from config.web.server import OPTIONS, QuietServer
from tests.config.web.server import exchange
from tests.waiting import wait_until


async def application(_scope: object, _receive: object, send: "object") -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


def start() -> tuple[QuietServer, threading.Thread]:
    started = QuietServer(uvicorn.Config(application, port=0, **{**OPTIONS, "loop": "asyncio"}))
    thread = threading.Thread(target=lambda: asyncio.run(started.serve()), daemon=True)
    thread.start()
    wait_until(lambda: started.started, "the server")
    return started, thread


def test_server_that_is_told_to_stop_does_not_wait_for_its_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "TICK", 3_600.0)
    started, thread = start()
    wait_until(lambda: bool(started.server_state.default_headers), "the first look")
    started.handle_exit(signal.SIGTERM, None)
    thread.join()


def test_responses_have_the_date_of_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "TICK", 0.01)
    started, thread = start()
    port = started.servers[0].sockets[0].getsockname()[1]

    def date() -> bytes:
        response = exchange(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return next(line for line in response.split(b"\r\n") if line.lower().startswith(b"date:"))

    first = date()
    wait_until(lambda: date() != first, "another second")
    started.handle_exit(signal.SIGTERM, None)
    thread.join()
