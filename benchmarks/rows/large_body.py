"""Receive one body that is larger than the memory the web process may use."""

import hashlib
import hmac
import socket
import time

from benchmarks.bench import Bench
from benchmarks.meter import Sampler
from benchmarks.result import MIB, Check, Result, latency
from benchmarks.wire.messages import request

PIECE = bytes(MIB)
SETTLE = 3  # seconds until memory of earlier rows is given back
ALLOWED_MIB = 30
LOOKS = 5  # at the memory, at least


def receive(bench: Bench) -> Result:
    """Send 1 GB in pieces, signed with HMAC; the platform streams it to storage."""
    pieces = bench.size(256, 1024)
    mac, digest = hmac.new(b"bench", digestmod=hashlib.sha256), hashlib.sha256()
    for _ in range(pieces):
        mac.update(PIECE)
        digest.update(PIECE)
    options = {"header": "x-signature", "algorithm": "sha256", "encoding": "hex", "signed": "{body}"}
    path = bench.system.create_source("bench", scheme="hmac", options=options, max_bytes=2 * 2**30)
    time.sleep(SETTLE)
    with bench.meter() as meter, Sampler(bench.system, every=0.02, programs=("web",)) as sampler:
        started = time.monotonic()
        status = _send(bench.system.port, path, mac.hexdigest(), pieces)
        seconds = time.monotonic() - started
    kept = bench.system.sql("SELECT size, sha256 FROM webhooks_receipt")
    memory = [sample.memory / MIB for sample in sampler.samples]
    checks = [
        Check("the response is 202", status == 202, f"{status}"),
        Check("the body was kept whole", kept == [(pieces * len(PIECE), digest.hexdigest())], f"{kept}"),
        Check("memory was read meanwhile", len(memory) >= LOOKS, f"{len(memory)} times"),
    ]
    growth = max(memory) - memory[0]
    return Result(
        1,
        1 / seconds,
        latency([seconds * 1000]),
        meter.cost,
        checks,
        "requests",
        Check(f"the web process grows by less than {ALLOWED_MIB} MiB", growth < ALLOWED_MIB),
        [f"{pieces / seconds:,.0f} MiB/s; the web process grew by {growth:.1f} MiB"],
    )


def _send(port: int, path: str, signature: str, pieces: int) -> int:
    """Return the status of the response."""
    head = request(path, {"X-Signature": signature, "Connection": "close"}, b"")
    head = head.replace(b"Content-Length: 0", b"Content-Length: %d" % (pieces * len(PIECE)))
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(head)
        for _ in range(pieces):
            connection.sendall(PIECE)
        return int(connection.recv(4096).split(b" ", 2)[1])
