"""Test bodies over real sockets on the platform's web server: disconnecting and idle senders, and bounded memory."""

import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.factories_receiver import make_source, signed
from tests.web_server import MIB, Server, running, send
from webhooks.models import Receipt, Rejection, Source

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path) as server:
        yield server


class MemoryWatch(threading.Thread):
    """Measure the peak memory of a server within a context."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.peak, self.over = server, 0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.02):
            self.peak = max(self.peak, self.server.memory())

    def __exit__(self, *_error: object) -> None:
        self.over.set()
        self.join()

    def __enter__(self) -> "MemoryWatch":
        self.start()
        return self


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_large_body_is_stored_whole_with_bounded_memory(server: Server, tmp_path: Path, announced: bool) -> None:
    pieces = 200
    signature, digest = hmac.new(b"shh", digestmod="sha256"), hashlib.sha256()
    for number in range(pieces):
        signature.update(bytes([number]) * MIB)
        digest.update(bytes([number]) * MIB)
    source = make_source(scheme="github", secret="shh", max_bytes=pieces * MIB)
    headers = {"X-Hub-Signature-256": f"sha256={signature.hexdigest()}", "X-GitHub-Delivery": "d-1"}
    headers |= {"Content-Length": str(pieces * MIB)} if announced else {"Transfer-Encoding": "chunked"}
    send(server, source, iter([b""]), {"Content-Length": "0"})  # load what is imported lazily
    before = server.memory()
    with MemoryWatch(server) as watch:
        assert send(server, source, (bytes([number]) * MIB for number in range(pieces)), headers) == 202
    receipt = Receipt.objects.get()
    assert (receipt.size, receipt.sha256) == (pieces * MIB, digest.hexdigest())
    assert (tmp_path / receipt.body_key).stat().st_size == pieces * MIB
    assert watch.peak - before < 30 * MIB


def connect(server: Server, text: bytes) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", server.port))
    wire.sendall(text)
    return wire


def head(source: Source, **headers: str) -> bytes:
    lines = [f"POST /in/{source.public_id}/ HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def test_body_too_large_is_413_before_it_is_sent(server: Server) -> None:
    with connect(server, head(make_source(), Content_Length=str(10**12))) as wire:
        assert wire.recv(100).startswith(b"HTTP/1.1 413")


def test_unsigned_body_is_401_before_it_is_sent(server: Server) -> None:
    with connect(server, head(make_source(), Content_Length=str(10 * MIB))) as wire:
        assert wire.recv(100).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("chunked", [True, False])
def test_sender_that_disconnects_in_the_middle_leaves_only_a_rejection(server: Server, chunked: bool) -> None:
    source = make_source()
    framing = {"Transfer_Encoding": "chunked"} if chunked else {"Content_Length": "100"}
    start = head(source, **signed(b"hello world"), **framing)
    connect(server, start + (b"5\r\nhello\r\n" if chunked else b"hello")).close()
    while not Rejection.objects.exists():
        time.sleep(0.02)
    assert Rejection.objects.get().reason == "cut_short"
    assert not Receipt.objects.exists()


def test_broken_database_connections_are_503_and_nothing_is_stored_twice(server: Server) -> None:
    source, body = make_source(), b'{"type":"a.b"}'

    def once(message_id: str) -> int:
        headers = signed(body, message_id=message_id) | {"Content-Length": str(len(body))}
        return send(server, source, iter([body]), headers)

    assert once("before") == 202
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    responses = [once("after") for _ in range(20)]
    assert set(responses) <= {503, 202, 200}
    assert responses[-1] == 200
    assert responses.count(202) == 1
    assert Receipt.objects.count() == 2


SLOW = 400


@pytest.mark.parametrize("stall", ["announced and never sent", "a byte and no more", "half a head"])
def test_hundreds_of_idle_senders_delay_no_other(server: Server, stall: str) -> None:
    """Send more of them than there are threads, each with valid headers."""
    source, body = make_source(), b'{"type":"a.b"}'
    start = head(source, **signed(body), Content_Length="1000" if stall != "half a head" else "0")
    text = {"announced and never sent": start, "a byte and no more": start + b"x", "half a head": start[:-20]}[stall]
    before = server.memory()
    slow = [connect(server, text) for _ in range(SLOW)]
    try:
        for number in range(50):
            good = signed(body, message_id=f"good{number}") | {"Content-Length": str(len(body))}
            assert send(server, source, iter([body]), good) == 202
        assert server.memory() - before < 30 * MIB
    finally:
        for wire in slow:
            wire.close()
    assert Receipt.objects.count() == 50


def test_stalled_large_bodies_delay_no_small_one(server: Server) -> None:
    source, body = make_source(), b'{"type":"a.b"}'
    slow = [connect(server, head(source, **signed(body), Content_Length=str(MIB)) + b"x") for _ in range(50)]
    try:
        for number in range(20):
            good = signed(body, message_id=f"good{number}") | {"Content-Length": str(len(body))}
            assert send(server, source, iter([body]), good) in (202, 429)
        other = make_source()
        assert send(server, other, iter([body]), signed(body) | {"Content-Length": str(len(body))}) == 202
    finally:
        for wire in slow:
            wire.close()
