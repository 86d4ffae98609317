"""Test the web front over real connections: bodies of every size, stalled senders, and large responses."""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from types import SimpleNamespace

import pytest
from django.conf import settings

from config.web.rsgi import HELD, SHORT, _is_for_the_crew
from tests.ports import free_port
from tests.processes import start
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture(scope="module")
def hasty() -> Iterator[int]:
    """Return the port of a front that does not wait long for bodies."""
    with serving(WAYPOST_TESTS_DEADLINE="0.5") as port:
        yield port


@contextmanager
def serving(**environment: str) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "rsgi", "--port", str(port), "--no-ws"]
    command += ["--workers-kill-timeout", "2"]
    server = start(
        [*command, "tests.config.web.front_of_tests:front"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def is_up() -> bool:
        with suppress(OSError):
            return send(port, "GET", "/")[0] == 200
        return False

    try:
        wait_until(is_up, "the front")
        yield port
    finally:
        server.terminate()
        server.wait()


def send(port: int, method: str, path: str, body: object = None, **how: object) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as line:
        line.request(method, path, body, **how)  # type: ignore[arg-type]
        response = line.getresponse()
        return response.status, response.read()


@pytest.mark.parametrize("size", [0, 1, HELD, HELD + 1, 5 * HELD + 3])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_application_reads_the_body_and_its_end(port: int, size: int, announced: bool) -> None:
    body = bytes(size) if announced else iter([bytes(size)])
    status, body_of_response = send(port, "POST", "/a%C3%A9?b=%20c", body)
    assert (status, body_of_response) == (200, f"/aé|b=%20c|127.0.0.1|none|{size}".encode())


def test_repeated_headers_are_joined(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as wire:
        wire.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n")
        assert b"|1,2|0" in b"".join(iter(lambda: wire.recv(4096), b""))


def test_header_that_is_not_text_is_empty(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as wire:
        wire.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: \xd7\xf8\r\nConnection: close\r\n\r\n")
        assert b"127.0.0.1||0" in b"".join(iter(lambda: wire.recv(4096), b""))


@pytest.mark.parametrize(
    ("announced", "sent", "beginning"),
    [(10, 5, b"HTTP/1.1 408"), (2 * HELD, HELD, b"HTTP/1.1 200")],
    ids=["held: by the front", "large: by its reader"],
)
def test_stalled_body_ends_at_the_deadline(hasty: int, announced: int, sent: int, beginning: bytes) -> None:
    with socket.create_connection(("127.0.0.1", hasty)) as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % announced + bytes(sent))
        response = wire.recv(4096)
    assert response.startswith(beginning)
    assert (b"late" in response) == (announced > HELD)


def test_large_response_arrives_complete(port: int) -> None:
    status, body_of_response = send(port, "GET", "/stream")
    assert status == 200
    assert body_of_response == b"".join(bytes([number]) * 1024 * 1024 for number in range(5))


def test_application_that_raises_is_a_500_and_the_next_request_is_served(port: int) -> None:
    assert [send(port, "GET", "/broken")[0] for _ in range(5)] == [500] * 5
    assert send(port, "GET", "/")[0] == 200


def test_hundreds_of_large_bodies_do_not_end_the_process(port: int) -> None:
    body = bytes(5 * HELD + 3)
    assert [send(port, "POST", "/", body)[0] for _ in range(200)] == [200] * 200


@pytest.mark.parametrize(
    ("method", "path", "size", "headers", "is_for_the_crew"),
    [
        ("POST", "/api/v1/events/", SHORT, {}, True),
        ("POST", "/in/src_1/", 0, {"content-type": "application/json"}, True),
        ("POST", "/api/v1/events/", SHORT + 1, {}, False),
        ("POST", "/api/v1/events/", 1, {"idempotency-key": "a"}, False),
        ("POST", "/api/v1/events/", 1, {"content-type": "application/cloudevents-batch+json; charset=utf-8"}, False),
        ("GET", "/api/v1/events/", 0, {}, False),
        ("POST", "/api/v1/endpoints/ep_1/test/", 1, {}, False),
        ("POST", "/admin/login/", 1, {}, False),
    ],
)
def test_only_short_publish_and_receive_requests_run_in_the_crew(
    method: str, path: str, size: int, headers: dict[str, str], is_for_the_crew: bool
) -> None:
    scope = SimpleNamespace(method=method, path=path, headers=headers)
    assert _is_for_the_crew(scope, size) is is_for_the_crew
