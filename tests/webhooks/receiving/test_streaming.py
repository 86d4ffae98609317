"""Bodies on a real wire: granian, sockets, senders that vanish, and memory that stays flat."""

import hashlib
import hmac
import http.client
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from django.db import connection

from tests.factories_receiver import make_source, signed
from tests.ports import free_port
from tests.processes import start
from webhooks.models import Receipt, Rejection, Source

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[3]
MIB = 1024 * 1024


def database_url() -> str:
    """The test's own database, as a server we start has to be told."""
    found = connection.settings_dict
    password = f":{quote(found['PASSWORD'], safe='')}" if found["PASSWORD"] else ""
    login = f"{quote(found['USER'], safe='')}{password}"
    query = f"host={quote(found['HOST'], safe='')}&port={found['PORT'] or 5432}"
    return f"postgresql://{login}@/{found['NAME']}?{query}"


class Server:
    """A web process of ours on a port of its own."""

    def __init__(self, data: Path, *, database: str = "", largest_file: int = 0) -> None:
        self.port = free_port()
        env = {**os.environ, "DATABASE_URL": database or database_url(), "WAYPOST_STORAGE_URL": data.as_uri()}
        command = [sys.executable, "-m", "granian", "--interface", "rsgi", "--port", str(self.port), "--no-ws"]
        env["DJANGO_SETTINGS_MODULE"] = "config.settings"
        self.process = start(
            [*command, "--backpressure", "16384", "--workers-kill-timeout", "2", "config.web.rsgi:application"],
            cwd=ROOT,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if largest_file:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (largest_file, largest_file))

    def answers(self) -> bool:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port)) as visitor:
            try:
                visitor.request("GET", "/healthz")
                return visitor.getresponse().status == 200
            except OSError:
                return False

    def memory(self) -> int:
        """Bytes held by the process and its workers."""
        main = psutil.Process(self.process.pid)
        return sum(each.memory_info().rss for each in (main, *main.children(recursive=True)))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


@contextmanager
def running(data: Path, **how: Any) -> Iterator[Server]:
    server = Server(data, **how)
    try:
        while not server.answers():
            assert server.process.poll() is None, "the server ended"
            time.sleep(0.05)
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path) as server:
        yield server


class Watch(threading.Thread):
    """The most memory a server held while it was watched."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.peak, self.over = server, 0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.02):
            self.peak = max(self.peak, self.server.memory())

    def __exit__(self, *_error: object) -> None:
        self.over.set()
        self.join()

    def __enter__(self) -> "Watch":
        self.start()
        return self


def send(server: Server, source: Source, body: Iterator[bytes], headers: dict[str, str]) -> int:
    chunked = "Content-Length" not in headers
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as sender:
        sender.request("POST", f"/in/{source.public_id}/", body, headers, encode_chunked=chunked)
        return sender.getresponse().status


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_a_large_body_is_received_whole_and_memory_stays_flat(server: Server, tmp_path: Path, announced: bool) -> None:
    pieces = 200
    signature, digest = hmac.new(b"shh", digestmod="sha256"), hashlib.sha256()
    for number in range(pieces):
        signature.update(bytes([number]) * MIB)
        digest.update(bytes([number]) * MIB)
    source = make_source(scheme="github", secret="shh", max_bytes=pieces * MIB)
    headers = {"X-Hub-Signature-256": f"sha256={signature.hexdigest()}", "X-GitHub-Delivery": "d-1"}
    headers |= {"Content-Length": str(pieces * MIB)} if announced else {"Transfer-Encoding": "chunked"}
    send(server, source, iter([b""]), {"Content-Length": "0"})  # whatever is loaded late, is loaded now
    before = server.memory()
    with Watch(server) as watch:
        assert send(server, source, (bytes([number]) * MIB for number in range(pieces)), headers) == 202
    receipt = Receipt.objects.get()
    assert (receipt.size, receipt.sha256) == (pieces * MIB, digest.hexdigest())
    assert (tmp_path / receipt.body_key).stat().st_size == pieces * MIB
    assert watch.peak - before < 30 * MIB


def talk(server: Server, text: bytes) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", server.port))
    wire.sendall(text)
    return wire


def head(source: Source, **headers: str) -> bytes:
    lines = [f"POST /in/{source.public_id}/ HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_body_too_large_is_refused_before_it_is_sent(server: Server) -> None:
    with talk(server, head(make_source(), Content_Length=str(10**12))) as wire:
        assert wire.recv(100).startswith(b"HTTP/1.1 413")


def test_a_body_that_nobody_signed_is_refused_before_it_is_sent(server: Server) -> None:
    with talk(server, head(make_source(), Content_Length=str(10 * MIB))) as wire:
        assert wire.recv(100).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("chunked", [True, False])
def test_a_sender_that_vanishes_in_the_middle_leaves_nothing_but_a_rejection(server: Server, chunked: bool) -> None:
    source = make_source()
    framing = {"Transfer_Encoding": "chunked"} if chunked else {"Content_Length": "100"}
    start = head(source, **signed(b"hello world"), **framing)
    talk(server, start + (b"5\r\nhello\r\n" if chunked else b"hello")).close()
    while not Rejection.objects.exists():
        time.sleep(0.02)
    assert Rejection.objects.get().reason == ("no_match" if chunked else "cut_short")
    assert not Receipt.objects.exists()


def test_connections_that_break_are_503_until_there_are_new_ones_and_nothing_is_kept_twice(server: Server) -> None:
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
    answers = [once("after") for _ in range(20)]
    assert set(answers) <= {503, 202, 200}
    assert answers[-1] == 200
    assert answers.count(202) == 1
    assert Receipt.objects.count() == 2


SLOW = 400


@pytest.mark.parametrize("lie", ["announced and never sent", "a byte and no more", "half a head"])
def test_hundreds_of_senders_that_do_not_send_hold_up_nobody(server: Server, lie: str) -> None:
    """More of them than there are threads, each with headers that could be true."""
    source, body = make_source(), b'{"type":"a.b"}'
    start = head(source, **signed(body), Content_Length="1000" if lie != "half a head" else "0")
    text = {"announced and never sent": start, "a byte and no more": start + b"x", "half a head": start[:-20]}[lie]
    before = server.memory()
    slow = [talk(server, text) for _ in range(SLOW)]
    try:
        for number in range(50):
            good = signed(body, message_id=f"good{number}") | {"Content-Length": str(len(body))}
            assert send(server, source, iter([body]), good) == 202
        assert server.memory() - before < 30 * MIB
    finally:
        for wire in slow:
            wire.close()
    assert Receipt.objects.count() == 50


def test_large_bodies_that_stop_coming_hold_up_no_small_one(server: Server) -> None:
    source, body = make_source(), b'{"type":"a.b"}'
    slow = [talk(server, head(source, **signed(body), Content_Length=str(MIB)) + b"x") for _ in range(50)]
    try:
        for number in range(20):
            good = signed(body, message_id=f"good{number}") | {"Content-Length": str(len(body))}
            assert send(server, source, iter([body]), good) in (202, 429)
        other = make_source()
        assert send(server, other, iter([body]), signed(body) | {"Content-Length": str(len(body))}) == 202
    finally:
        for wire in slow:
            wire.close()
