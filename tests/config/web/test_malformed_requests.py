"""Send malformed and ambiguous requests to the native views over raw sockets: nothing is smuggled, nothing breaks."""

import json
import random
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from config.web import bodies, connection_limits, connections
from config.web.application import WebApplication
from delivery.models import Event
from tests.config.web.server import exchange, send, serving
from tests.factories import make_key, make_tenant
from tests.factories_receiver import make_source, signed
from tests.waiting import wait_until
from webhooks.kit.fair.shares import Shares
from webhooks.models import Receipt

pytestmark = pytest.mark.django_db(transaction=True)

EXPECTED = {200, 202, 204, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 431, 501, 503}
INSERTED = [b"\r\n", b"\n", b"\x00", b"chunked", b"Content-Length: 1\r\n", b": ", b"%"]
MUTATIONS = 150  # of each view's request
STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[int]:
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    monkeypatch.setattr(connections.limits, "shares", Shares("connections", 1000))
    monkeypatch.setattr(connections, "DISCARD_TIMEOUT", 0.2)
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 1.0)
    monkeypatch.setattr(connection_limits, "CHECK_EVERY", 0.05)
    monkeypatch.setattr(bodies, "MAX_PAUSE", 1.0)
    monkeypatch.setattr(bodies, "MEMORY", Shares("request bodies in memory", 1024**2))
    with serving(WebApplication()) as port:
        yield port


class HotView:
    """A native view: the head of a valid request without its framing, a body, and what it stores."""

    def __init__(self, head: bytes, body: bytes, stored: Callable[[], int]) -> None:
        self.head = head
        self.body = body
        self.stored = stored

    def request(self, framing: bytes | None = None, body: bytes | None = None) -> bytes:
        framing = b"Content-Length: %d\r\n" % len(self.body) if framing is None else framing
        return self.head + framing + b"\r\n" + (self.body if body is None else body)


def publishing(name: str) -> HotView:
    body = json.dumps({"specversion": "1.0", "id": name, "source": "/a", "type": "b"}).encode()
    key = make_key(make_tenant())[1]
    head = f"POST /api/v1/events/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    return HotView(head.encode() + b"Content-Type: application/cloudevents+json\r\n", body, Event.objects.count)


def receiving(name: str) -> HotView:
    source, body = make_source(), json.dumps({"name": name}).encode()
    head = f"POST /in/{source.public_id}/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    fields = "".join(f"{field}: {value}\r\n" for field, value in signed(body).items())
    return HotView((head + fields).encode(), body, Receipt.objects.count)


VIEWS = [publishing, receiving]
FRAMINGS = {
    "two lengths": b"Content-Length: 4\r\nContent-Length: 400\r\n",
    "list of lengths": b"Content-Length: 4, 400\r\n",
    "length and chunked": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    "chunked and length": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "chunked not last": b"Transfer-Encoding: chunked, identity\r\n",
    "unknown coding": b"Transfer-Encoding: xchunked\r\n",
    "space before the colon": b"Transfer-Encoding : chunked\r\n",
    "negative length": b"Content-Length: -4\r\n",
    "length with a sign": b"Content-Length: +4\r\n",
    "length in hex": b"Content-Length: 0x4\r\n",
    "length beyond 64 bits": b"Content-Length: 99999999999999999999999\r\n",
    "folded length": b"Content-Length:\r\n 4\r\n",
    "folded coding": b"Transfer-Encoding:\r\n chunked\r\n",
    "line feeds only": b"Content-Length: 4\nTransfer-Encoding: chunked\n",
    "null in a value": b"X-A: \x00\r\nContent-Length: 4\r\n",
    "carriage return in a value": b"X-A: a\rTransfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    "header without a name": b": a\r\nContent-Length: 4\r\n",
    "two hosts": b"Host: other.example\r\nContent-Length: 4\r\n",
}


@pytest.mark.parametrize("make_view", VIEWS)
@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_request_with_ambiguous_framing_is_refused_with_what_follows_it(
    port: int, make_view: Callable[[str], HotView], framing: bytes
) -> None:
    view, smuggled = make_view("visible"), make_view("smuggled")
    received = exchange(port, view.request(framing, b"0\r\n\r\n" + smuggled.request()))
    assert [int(status) for status in STATUS_LINE.findall(received)] in ([400], [501], [])
    assert view.stored() == 0


CHUNKS = {
    "size beyond 64 bits": b"FFFFFFFFFFFFFFFFF\r\na\r\n0\r\n\r\n",
    "negative size": b"-1\r\na\r\n0\r\n\r\n",
    "size with a prefix": b"0x1\r\na\r\n0\r\n\r\n",
    "no size": b"\r\na\r\n0\r\n\r\n",
    "no line end after the data": b"1\r\na0\r\n\r\n",
    "more data than announced": b"1\r\nabc\r\n0\r\n\r\n",
    "line feeds only": b"1\na\n0\n\n",
    "space before the size": b" 1\r\na\r\n0\r\n\r\n",
    "null in an extension": b"1;a=\x00\r\na\r\n0\r\n\r\n",
    "line feed in an extension": b"1;a=\nb\r\na\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("make_view", VIEWS)
@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS.keys())
def test_malformed_chunks_are_refused_with_what_follows_them(
    port: int, make_view: Callable[[str], HotView], chunks: bytes
) -> None:
    view, smuggled = make_view("visible"), make_view("smuggled")
    received = exchange(port, view.request(b"Transfer-Encoding: chunked\r\n", chunks + smuggled.request()))
    assert [int(status) for status in STATUS_LINE.findall(received)] in ([400], [401], [])
    assert view.stored() == 0


@pytest.mark.parametrize("make_view", VIEWS)
def test_valid_chunks_with_extensions_and_trailers_are_read(port: int, make_view: Callable[[str], HotView]) -> None:
    view = make_view("chunked")
    chunks = b"".join(b"%x;a=b\r\n%c\r\n" % (1, byte) for byte in view.body) + b"0\r\nX-Trailer: a\r\n\r\n"
    received = exchange(port, view.request(b"Connection: close\r\nTransfer-Encoding: chunked\r\n", chunks))
    assert received.startswith(b"HTTP/1.1 2")
    assert view.stored() == 1


@pytest.mark.parametrize("make_view", VIEWS)
def test_pipelined_requests_are_all_served_in_order(port: int, make_view: Callable[[str], HotView]) -> None:
    views = [make_view(f"piped {number}") for number in range(5)]
    last = make_view("last")
    close = b"Connection: close\r\nContent-Length: %d\r\n" % len(last.body)
    received = exchange(port, b"".join(view.request() for view in views) + last.request(close))
    assert [status[:1] for status in STATUS_LINE.findall(received)] == [b"2"] * 6
    assert last.stored() == 6


@pytest.mark.parametrize("make_view", VIEWS)
@pytest.mark.parametrize("size", [1, 7])
def test_request_in_small_pieces_is_served(
    port: int, make_view: Callable[[str], HotView], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 120.0)
    monkeypatch.setattr(bodies, "MAX_PAUSE", 120.0)
    view = make_view("pieces")
    raw = view.request(b"Connection: close\r\nContent-Length: %d\r\n" % len(view.body))
    received = exchange(port, *(raw[at : at + size] for at in range(0, len(raw), size)))
    assert received.startswith(b"HTTP/1.1 2")
    assert view.stored() == 1


@pytest.mark.parametrize("make_view", VIEWS)
def test_client_that_closes_within_the_body_stores_nothing(port: int, make_view: Callable[[str], HotView]) -> None:
    view = make_view("cut")
    for end in (1, len(view.body) // 2, len(view.body) - 1):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
            wire.sendall(view.request(body=view.body[:end]))
            wire.shutdown(socket.SHUT_WR)
            while wire.recv(4096):
                pass
    assert view.stored() == 0


def test_body_that_is_cut_short_gives_back_the_memory_that_it_held(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_PAUSE", 120.0)
    view = publishing("held")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(view.request(body=view.body[:-1]))
        wait_until(lambda: bodies.MEMORY.free < bodies.MEMORY.capacity, "the body")
    wait_until(lambda: bodies.MEMORY.free == bodies.MEMORY.capacity, "its memory")


@pytest.mark.parametrize("make_view", VIEWS)
def test_continue_is_asked_for_before_the_body(port: int, make_view: Callable[[str], HotView]) -> None:
    view = make_view("continue")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(view.request(b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(view.body), b""))
        assert wire.recv(4096).startswith(b"HTTP/1.1 100 ")
        wire.sendall(view.body)
        assert wire.recv(4096).startswith(b"HTTP/1.1 2")
    assert view.stored() == 1


@pytest.mark.parametrize("make_view", VIEWS)
def test_mutated_requests_get_a_response_or_a_closed_connection_and_break_nothing(
    port: int, make_view: Callable[[str], HotView]
) -> None:
    view, chance = make_view("mutated"), random.Random(make_view.__name__)
    raw = view.request(b"Connection: close\r\nContent-Length: %d\r\n" % len(view.body))
    for _ in range(MUTATIONS):
        mutated = mutate(raw, chance)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as wire, suppress(ConnectionError):
            wire.sendall(mutated)
            wire.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda: wire.recv(65536), b""))
            statuses = {int(status) for status in STATUS_LINE.findall(received)}
            assert statuses <= EXPECTED, mutated
    assert send(port, "GET", "/healthz")[0] == 200


def mutate(raw: bytes, chance: random.Random) -> bytes:
    """Return the request with a few bytes changed, removed, repeated or inserted."""
    changed = bytearray(raw)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                del changed[at : at + chance.randint(1, 8)]
            case 2:
                changed[at:at] = changed[at : at + chance.randint(1, 40)]
            case _:
                changed[at:at] = chance.choice(
                    [b"\r\n", b"\n", b"\x00", b"chunked", b"Content-Length: 1\r\n", b": ", b"%"]
                )
    return bytes(changed)
