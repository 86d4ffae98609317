"""Compare the raw bytes of requests: everything on the wire is ours, or absent."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from delivery.transports.http.compose import compose
from delivery.transports.http.request import Request
from delivery.transports.http.sender import HttpSender
from subscriptions.routing.targets import load_targets
from tests.delivery.factories_lanes import make_claimed, make_in_flight
from tests.factories import make_endpoint
from tests.waiting import wait_until
from webhooks.version import USER_AGENT
from webhooks.wire.ids import public

pytestmark = pytest.mark.django_db
NOW = 1_777_897_800.0
STRUCTURED = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":1.10}}'
TEXT = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/csv","data":"a,b"}'
BYTES = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"AAEC"}'
EMPTY = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"Zo\xc3\xab","n":5}'


class RawServer:
    """Keep the bytes of one request, and respond with 200."""

    def __init__(self) -> None:
        self.received = b""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            while not self._is_complete():
                if not (chunk := connection.recv(65_536)):
                    return
                self.received += chunk
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def _is_complete(self) -> bool:
        head, end, body = self.received.partition(b"\r\n\r\n")
        sizes = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return bool(end) and len(body) >= sum(sizes)

    def close(self) -> None:
        self._thread.join()
        self._listening.close()


@pytest.fixture
def server() -> Iterator[RawServer]:
    with closing(RawServer()) as it:
        yield it


def ended(sender: HttpSender) -> bool:
    """Go on with the request; return whether it has ended."""
    select.select([sender], [], [], min(sender.seconds_to_timer() or 0.1, 0.1))
    sender.advance()
    return bool(sender.take())


def sent(
    server: RawServer, body: bytes, *, rendered: bool = False, content_type: str | None = None, **endpoint: Any
) -> str:
    """Send one event to an endpoint with these settings; return the request, with its signature left out."""
    row = make_endpoint(url=f"http://127.0.0.1:{server.port}/hooks?a=b", **endpoint)
    target = load_targets([row.id])[row.id]
    claimed = make_claimed(body, rendered=rendered, content_type=content_type)._replace(event_id=UUID(int=1))
    request = compose(claimed, target, NOW)
    assert isinstance(request, Request)
    with closing(HttpSender(allow_http=True)) as sender:
        sender.submit([(make_in_flight(), request)])
        wait_until(lambda: ended(sender), "the outcome")
    head, _, content = server.received.partition(b"\r\n\r\n")
    lines = [it for it in head.decode().split("\r\n") if not it.startswith("webhook-signature: v1,")]
    assert len(lines) == head.count(b"\r\n")
    return "\n".join([*lines, "", content.decode("latin-1")])


def expected(server: RawServer, *own: str, length: int, body: str) -> str:
    return "\n".join(
        [
            "POST /hooks?a=b HTTP/1.1",
            f"Host: 127.0.0.1:{server.port}",
            f"webhook-id: {public('evt', UUID(int=1))}",
            f"webhook-timestamp: {int(NOW)}",
            *own,
            f"Content-Length: {length}",
            "",
            body,
        ]
    )


AGENT = (f"user-agent: {USER_AGENT}", "accept-encoding: identity")


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]


@pytest.mark.parametrize(
    ("options", "body", "own", "content"),
    [
        ({}, STRUCTURED, ["content-type: application/cloudevents+json"], STRUCTURED),
        ({"rendered": True}, b"hello", ["content-type: text/plain; charset=utf-8"], b"hello"),
        ({"rendered": True}, b"[1]", ["content-type: application/json"], b"[1]"),
        ({"rendered": True, "content_type": "text/csv"}, b"[1]", ["content-type: text/csv"], b"[1]"),
        (
            {"rendered": True, "content_type": "application/cloudevents+json", "content_mode": "reference"},
            STRUCTURED,
            ["content-type: application/cloudevents+json"],
            STRUCTURED,
        ),
        (
            {"content_mode": "binary"},
            STRUCTURED,
            [
                *("ce-specversion: 1.0", "ce-id: 1", "ce-source: /s", "ce-type: t"),
                "content-type: application/json",
            ],
            b'{"n":1.10}',
        ),
        (
            {"content_mode": "binary"},
            TEXT,
            [*("ce-specversion: 1.0", "ce-id: 1", "ce-source: /s", "ce-type: t"), "content-type: text/csv"],
            b"a,b",
        ),
        (
            {"content_mode": "binary"},
            BYTES,
            ["ce-specversion: 1.0", "ce-id: 1", "ce-source: /s", "ce-type: t"],
            b"\0\1\2",
        ),
        (
            {"content_mode": "binary"},
            EMPTY,
            [*("ce-specversion: 1.0", "ce-id: 1", "ce-source: /s", "ce-type: t"), "ce-subject: Zo%C3%AB", "ce-n: 5"],
            b"",
        ),
    ],
)
def test_request_has_our_headers_and_no_others(
    server: RawServer, options: dict[str, Any], body: bytes, own: list[str], content: bytes
) -> None:
    text = content.decode("latin-1")
    assert sent(server, body, **options) == expected(server, *own, *AGENT, length=len(content), body=text)


def test_custom_header_with_an_empty_value_is_sent(server: RawServer) -> None:
    shown = sent(server, STRUCTURED, headers={"x-empty": "", "x-team": "red", "Accept": "application/json"})
    assert "\nx-empty:\nx-team: red\n" in shown
    assert "\nAccept: application/json\n" in shown
    assert "*/*" not in shown
