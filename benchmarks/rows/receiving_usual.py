"""Receiving the usual way, on the same servers in the same run: what is gained over it."""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.bench import SIZE, Bench, all_answered
from benchmarks.figures import Check, Latency, Row
from benchmarks.frames import signed
from benchmarks.instruments import Answered, Load
from benchmarks.rows.receiving import REPEATS, SECRET, SENDERS, answer_rate
from benchmarks.rows.usual import usual_environment
from benchmarks.stand import ROOT, free_port

__all__ = ["receive_usual"]

THREADS = 8  # as many as ours
PATH = "/in/usual/"
START_WITHIN = 60.0  # seconds
KEPT = "SELECT count(*) FROM usual_received"
MIGRATE = "import benchmarks.usual.receiving; from django.core.management import call_command as it;"
MIGRATE += " it('migrate', run_syncdb=True, verbosity=0)"


def receive_usual(bench: Bench) -> Row:
    """A view of REST framework, `standardwebhooks`, and get_or_create, under the same server with as many threads.

    It promises what ours does: verified, known by its id, and on disk before the answer."""
    count = bench.size(3_000, 20_000)
    port = free_port()
    with _server(bench, port) as pid:
        built = [signed(PATH, SECRET, number, SIZE) for number in range(count)]
        with bench.meter(usual=pid) as meter:
            answers = bench.run(_load(bench, port, built, SENDERS), "receiving", count).answers()
        repeats = bench.run(_load(bench, port, built[:REPEATS], 2), "repeating").answers()
    row = Row(
        name="receive-usual",
        title="The usual way: receive, verify, dedupe, keep, 1 KB",
        setting=f"{count:,} messages: a view of REST framework, standardwebhooks, get_or_create; {THREADS} threads",
        count=count,
        rate=answer_rate(answers),
        unit="requests",
        latency=Latency.of([one.milliseconds for one in answers]),
        cost=meter.reading,
        checks=[all_answered(answers), *_kept(bench, count, repeats)],
    )
    if (ours := bench.kept.get("receive")) is not None:
        row.notes = [_compared(ours, row)]
    return row


def _compared(ours: Row, usual: Row) -> str:
    return (
        f"CPU for a message, ours and this: web {_milliseconds(ours, 'web'):.2f} and {_milliseconds(usual, 'usual'):.2f} ms,"
        f" PostgreSQL {_milliseconds(ours, 'postgres'):.2f} and {_milliseconds(usual, 'postgres'):.2f} ms"
    )


def _milliseconds(row: Row, program: str) -> float:
    return 1000 * row.cost.cpu.get(program, 0.0) / row.count


def _load(bench: Bench, port: int, built: list[bytes], connections: int) -> Load:
    return bench.load(built, port=port, count=len(built), connections=connections)


def _kept(bench: Bench, count: int, repeats: list[Answered]) -> list[Check]:
    with bench.stand.another_session("usual") as session:
        found = session.execute(KEPT).fetchall()[0][0]
    known = sum(one.status == 200 for one in repeats)
    return [
        Check("every message was kept once", found == count, f"{found} of {count}"),
        Check("a repeat is answered 200 and not kept", known == len(repeats), f"{known} of {len(repeats)}"),
    ]


@contextmanager
def _server(bench: Bench, port: int) -> Iterator[int]:
    """It runs on a database of its own; yields its process id."""
    environment = {**usual_environment(bench), "USUAL_SECRET": SECRET}
    bench.stand.sql("DROP DATABASE IF EXISTS usual")
    bench.stand.sql("CREATE DATABASE usual")
    if bench.start([sys.executable, "-c", MIGRATE], cwd=ROOT, env=environment).wait():
        raise RuntimeError("its tables could not be made")
    granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "--no-ws"]
    how = ["--blocking-threads", str(THREADS), "--log-level", "error", "benchmarks.usual.receiving:application"]
    server = bench.start([*granian, *how], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        _await(port)
        yield server.pid
    finally:
        server.terminate()
        server.wait()


def _await(port: int) -> None:
    until = time.monotonic() + START_WITHIN
    while time.monotonic() < until:
        try:
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            line.request("GET", PATH)
            line.getresponse()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the usual receiver does not start")
