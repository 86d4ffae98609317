"""A row about the receiver: one body that fits into no memory."""

import hashlib
import hmac
import socket
import time

from benchmarks.bench import Bench
from benchmarks.figures import Aim, Check, Curve, Latency, Row
from benchmarks.frames import request
from benchmarks.rows.receiving import address_of_source

__all__ = ["large_body"]

PIECE = bytes(1 << 20)
LOOKS = 5  # at its memory
ALLOWED = 30 * 2**20  # bytes the web process may grow by


def large_body(bench: Bench) -> Row:
    pieces = bench.size(256, 1024)
    options = {"header": "x-signature", "algorithm": "sha256", "encoding": "hex", "signed": "{body}"}
    path = address_of_source(bench, scheme="hmac", secret="bench", options=options, max_bytes=2 * 2**30)
    signature = _signature(pieces)
    time.sleep(3)  # what came before may still be giving memory back
    with bench.meter(memory_every=0.02) as meter:
        started = time.monotonic()
        status = _send(bench, path, signature, pieces)
        seconds = time.monotonic() - started
    memory = [(second, used / 2**20) for second, used in meter.memory_of("web")]
    grown = (max(used for _, used in memory) - memory[0][1]) * 2**20
    kept = bench.stand.sql("SELECT size, sha256 FROM webhooks_receipt")
    digest = _digest(pieces)
    return Row(
        name="large-body",
        title=f"Receive one body of {pieces:,} MiB",
        setting="streamed to storage, verified and hashed on the way",
        count=1,
        rate=1 / seconds,
        unit="requests",
        latency=Latency.of([seconds * 1000]),
        cost=meter.reading,
        aim=Aim("the web process grows by less than 30 MB", grown < ALLOWED),
        checks=[
            Check("the answer is 202", status == 202, str(status)),
            Check("memory was looked at while it came", len(memory) >= LOOKS, f"{len(memory)} times"),
            Check("the body was kept whole", kept == [(pieces * len(PIECE), digest)], str(kept)),
        ],
        curves=[Curve("One large body: memory of the web process", "web", "s", "MiB", memory)],
        notes=[f"{pieces / seconds:,.0f} MiB/s; the web process grew by {grown / 2**20:.1f} MiB"],
    )


def _send(bench: Bench, path: str, signature: str, pieces: int) -> int:
    """The status of the answer. The head is small, the body is the same piece again and again."""
    head = request("POST", path, {"X-Signature": signature, "Connection": "close"}, b"")
    head = head.replace(b"Content-Length: 0", b"Content-Length: %d" % (pieces * len(PIECE)))
    with socket.create_connection(("127.0.0.1", bench.stand.port), timeout=120) as line:
        line.sendall(head)
        for number in range(pieces):
            line.sendall(PIECE)
            bench.progress("sending", number, pieces)
        answer = line.recv(4096)
    return int(answer.split(b" ", 2)[1])


def _signature(pieces: int) -> str:
    mac = hmac.new(b"bench", digestmod=hashlib.sha256)
    for _ in range(pieces):
        mac.update(PIECE)
    return mac.hexdigest()


def _digest(pieces: int) -> str:
    digest = hashlib.sha256()
    for _ in range(pieces):
        digest.update(PIECE)
    return digest.hexdigest()
