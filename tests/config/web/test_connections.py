"""Test the limits of connections and request heads, over raw sockets."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from config.web import connection_limits, connections
from config.web.connection_limits import MAX_HEAD, MAX_HEADERS, MAX_URL
from config.web.pages import refusals
from config.web.pages.refusals import Refusal
from subscriptions.api.conventions.problem_types import PROBLEM_TYPES, problem_type_url
from tests.config.web.server import exchange, serving
from tests.waiting import wait_until
from webhooks.kit.fair.shares import Shares


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Respond with the path, the headers and the body's size."""
    size, more = 0, True
    if scope["path"] != "/early":
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
    lines = [scope["path"].encode(), *(b"%s=%s" % header for header in scope["headers"]), b"size=%d" % size]
    body = b"|".join(lines)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(echo) as port:
        yield port


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections.limits, "shares", Shares("connections", 1000))
    monkeypatch.setattr(connections, "DISCARD_TIMEOUT", 0.3)
    monkeypatch.setattr(connection_limits, "CHECK_EVERY", 0.1)


def statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


GET = b"GET /a HTTP/1.1\r\nHost: a\r\n"


def test_ordinary_requests_share_a_connection(port: int) -> None:
    assert statuses(exchange(port, GET + b"\r\n" + GET + b"\r\n" + GET + b"Connection: close\r\n\r\n")) == [200] * 3


def test_head_request_gets_its_response_on_a_connection_that_stays_open(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        for _ in range(2):
            wire.sendall(b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.recv(4096).endswith(b"\r\n\r\n")


def test_header_with_an_underscore_is_dropped_whatever_it_is(port: int) -> None:
    received = exchange(port, GET + b"X_Forwarded_Client_Cert: forged\r\nX-Real: 1\r\nConnection: close\r\n\r\n")
    assert b"x-real=1" in received
    assert b"forged" not in received


def test_trailers_do_not_become_headers(port: int) -> None:
    received = exchange(
        port,
        b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n"
        b"3\r\nabc\r\n0\r\nAuthorization: Bearer forged\r\n\r\n" + GET + b"Connection: close\r\n\r\n",
    )
    assert b"size=3" in received
    assert b"forged" not in received


POST = b"POST /a HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    ("head", "refusal"),
    [
        (b"GET /" + b"a" * MAX_URL + b" HTTP/1.1\r\nHost: a\r\n\r\n", refusals.LONG_TARGET),
        (GET + b"".join(b"X-%d: 1\r\n" % number for number in range(MAX_HEADERS)) + b"\r\n", refusals.LARGE_HEADERS),
        (GET + b"X-Long: " + b"a" * MAX_HEAD + b"\r\n\r\n", refusals.LARGE_HEADERS),
        (GET + b"X-Endless: " + b"a" * (MAX_HEAD + MAX_URL), refusals.LARGE_HEADERS),
        (b"GET /a HTTP/1.1\r\n\r\n", refusals.ONE_HOST),
        (GET + b"Host: b\r\n\r\n", refusals.ONE_HOST),
        (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", refusals.INVALID),
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", refusals.INVALID),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", refusals.ONLY_CHUNKED),
        (
            b"POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            refusals.NO_CODINGS,
        ),
        (POST + b"Content-Length: -1\r\n\r\n", refusals.INVALID),
        (POST + b"Content-Length: +1\r\n\r\na", refusals.INVALID),
        (POST + b"Content-Length : 1\r\n\r\na", refusals.INVALID),
        (b"GET /a\x00b HTTP/1.1\r\nHost: a\r\n\r\n", refusals.INVALID),
        (GET + b"X-A: 1\x00\r\n\r\n", refusals.INVALID),
        (b"GET /a HTTP/1.1\nHost: a\r\n folded: 1\r\n\r\n", refusals.INVALID),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", refusals.NO_TUNNEL),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", refusals.INVALID),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, bytes) else "",
)
def test_invalid_head_is_refused_with_a_problem_and_the_connection_closed(
    port: int, head: bytes, refusal: Refusal
) -> None:
    received = exchange(port, head, GET + b"\r\n")
    assert statuses(received) == [refusal.status]
    assert_problem(received, refusal)


def assert_problem(received: bytes, refusal: Refusal) -> None:
    """Assert that a response is the problem of a refusal, whole, and names its request."""
    head, _, body = received.partition(b"\r\n\r\n")
    headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"content-length"] == b"%d" % len(body)
    assert headers[b"connection"] == b"close"
    assert headers[b"waypost-request-id"].startswith(b"req_")
    problem = json.loads(body)
    detail = problem.pop("detail")
    assert detail.startswith(refusal.detail)  # the parser may say more
    assert problem == {
        "type": problem_type_url(refusal.code),
        "title": PROBLEM_TYPES[refusal.code].title,
        "status": refusal.status,
        "code": refusal.code,
    }
    assert refusal.status in PROBLEM_TYPES[refusal.code].statuses


def test_problem_says_what_the_parser_found(port: int) -> None:
    received = exchange(port, GET + b"X-A: 1\x00\r\n\r\n")
    assert "header value" in json.loads(received.partition(b"\r\n\r\n")[2])["detail"]


@pytest.mark.parametrize("head", [b"HEAD /a HTTP/1.1\r\n\r\n", b"HEAD /" + b"a" * MAX_URL + b" HTTP/1.1\r\n\r\n"])
def test_refused_head_request_gets_no_body(port: int, head: bytes) -> None:
    received = exchange(port, head)
    assert statuses(received) in ([400], [414])
    assert received.endswith(b"\r\n\r\n")


def test_chunks_that_are_mostly_framing_are_refused(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "FRAMING_ALLOWANCE", 1000)
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = [b"1;" + b"x" * 90 + b"\r\na\r\n"] * 50
    received = exchange(port, head, *chunks)
    assert statuses(received) == [400]
    assert_problem(received, refusals.MOSTLY_FRAMING)


def test_client_that_stops_sending_gets_the_responses_to_its_requests(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(GET + b"\r\n" + GET + b"\r\n")
        wire.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: wire.recv(65536), b""))
    assert statuses(received) == [200, 200]


def test_client_that_stops_within_a_body_ends_the_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        wire.shutdown(socket.SHUT_WR)
        assert wire.recv(4096) == b""


def test_malformed_rest_of_a_pipeline_does_not_replace_the_response_before_it(port: int) -> None:
    received = exchange(port, GET + b"\r\n" + b"\x00garbage\r\n\r\n")
    assert statuses(received) == [200]


def test_request_that_asks_for_an_upgrade_is_served_without(port: int) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n" + upgrade + b"\r\nabc"
    received = exchange(port, head + GET + b"Connection: close\r\n\r\n")
    assert b"size=3" in received
    assert statuses(received) == [200, 200]


def test_offers_of_an_upgrade_may_be_pipelined_like_other_requests(port: int) -> None:
    offer = GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert statuses(exchange(port, offer * 1000 + GET + b"Connection: close\r\n\r\n")) == [200] * 1001


def test_space_around_a_header_is_not_part_of_its_value(port: int) -> None:
    head = b"POST /a HTTP/1.1\r\nHost: a \r\nContent-Length: 3\t\r\nX-Real: \t1 \t\r\nConnection: close\r\n\r\n"
    received = exchange(port, head + b"abc")
    assert b"|host=a|content-length=3|x-real=1|" in received


def test_body_after_an_early_response_is_discarded(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "DISCARD_TIMEOUT", 60.0)
    head = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    assert statuses(exchange(port, head + bytes(100_000) + GET + b"Connection: close\r\n\r\n")) == [200, 200]


def test_continue_is_sent_before_the_body_is_awaited(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(b"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert wire.recv(4096).startswith(b"HTTP/1.1 100 Continue")
        wire.sendall(b"abc")
        received = wire.recv(4096)
        while b"size=3" not in received:
            received += wire.recv(4096)


@pytest.mark.parametrize("sent", [b"", b"GET /a HTTP/1.1\r\nHo"], ids=["nothing", "half a head"])
def test_head_that_does_not_come_ends_the_connection(port: int, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 1.0)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(sent)
        received = wire.recv(4096)
        assert statuses(received) == ([408] if sent else [])
        if sent:
            assert_problem(received, refusals.LATE_HEAD)
        assert wire.recv(4096) == b""


def test_response_that_is_not_read_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_TIMEOUT", 0.2)
    ended: list[bool] = []

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(10_000):
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
        ended.append(True)

    with serving(endless) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(GET + b"\r\n")
        wait_until(lambda: bool(ended), "the end of the response")


def test_address_may_have_as_many_connections_as_are_free(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections.limits, "shares", Shares("connections", 8))
    with ExitStack() as stack:
        for _ in range(4):
            wire = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            wire.sendall(GET + b"\r\n")
            assert statuses(wire.recv(4096)) == [200]
        refused = exchange(port, GET + b"\r\n")
        assert statuses(refused) == [503]
        assert b"retry-after" in refused
        assert_problem(refused, refusals.CROWDED)
    wait_until(lambda: connections.limits.shares.free == 8, "the connections to be released")


def test_connections_through_a_trusted_proxy_are_not_those_of_one_address(
    port: int, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WAYPOST_TRUSTED_PROXIES = ["127.0.0.0/8"]
    monkeypatch.setattr(connections.limits, "shares", Shares("connections", 8))
    with ExitStack() as stack:
        for _ in range(7):
            wire = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            wire.sendall(GET + b"\r\n")
            assert statuses(wire.recv(4096)) == [200]
