"""Rows about the receiver: many small messages, and one that fits into no memory."""

import hashlib
import hmac
import socket
import time

from benchmarks.bench import SIZE, Bench, all_answered
from benchmarks.figures import Aim, Check, Curve, Latency, Row
from benchmarks.frames import request, signed
from benchmarks.instruments import Answered

__all__ = ["large_body", "receive"]

SENDERS = 8  # connections
REPEATS = 200  # messages that are sent a second time
SECRET = "whsec_" + "QmVuY2htYXJrcyBhcmUgbm90IHNlY3JldHMsIHRoaXMgb25lIGVpdGhlcg=="
PIECE = bytes(1 << 20)
LOOKS = 5  # at its memory
ALLOWED = 30 * 2**20  # bytes the web process may grow by
KEPT = "SELECT count(*) FROM webhooks_receipt"


def receive(bench: Bench) -> Row:
    count = bench.size(6_000, 40_000)
    path = _source(bench, scheme="standard", secret=SECRET)
    built = [signed(path, SECRET, number, SIZE) for number in range(count)]
    with bench.meter() as meter:
        answers = bench.run(bench.load(built, count=count, connections=SENDERS), "receiving", count).answers()
    rate = len(answers) * 1e9 / (max(one.done for one in answers) - min(one.sent for one in answers))
    repeats = bench.run(bench.load(built[:REPEATS], count=REPEATS, connections=2), "repeating").answers()
    return Row(
        name="receive",
        title="Receive, verify, dedupe, keep, 1 KB",
        setting=f"{count:,} messages signed after Standard Webhooks, over {SENDERS} connections;"
        " latency is that of the answer",
        count=count,
        rate=rate,
        unit="requests",
        latency=Latency.of([one.milliseconds for one in answers]),
        cost=meter.reading,
        aim=Aim("at least 2,000 requests/s", rate >= 2_000),
        checks=[all_answered(answers), *_kept(bench, count, repeats)],
    )


def _kept(bench: Bench, count: int, repeats: list[Answered]) -> list[Check]:
    found, known = bench.stand.number(KEPT), sum(one.status == 200 for one in repeats)
    return [
        Check("every message was kept once", found == count, f"{found} of {count}"),
        Check("a repeat is answered 200 and not kept", known == len(repeats), f"{known} of {len(repeats)}"),
    ]


def large_body(bench: Bench) -> Row:
    pieces = bench.size(256, 1024)
    options = {"header": "x-signature", "algorithm": "sha256", "encoding": "hex", "signed": "{body}"}
    path = _source(bench, scheme="hmac", secret="bench", options=options, max_bytes=2 * 2**30)
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


def _source(bench: Bench, **fields: object) -> str:
    """The path senders send to."""
    uid = f"bench-{time.time_ns()}"
    bench.stand.api("POST", "sources/", {"uid": uid, **fields})
    return f"/in/{uid}/"


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
