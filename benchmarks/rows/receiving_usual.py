"""Receiving the usual way, on the same servers in the same run: what is gained over it."""

import http.client
import subprocess
import sys
import time

from benchmarks.bench import SIZE, Bench, all_answered
from benchmarks.figures import Check, Latency, Row
from benchmarks.frames import signed
from benchmarks.rows.receiving import SECRET, SENDERS
from benchmarks.rows.usual import usual_environment
from benchmarks.stand import ROOT, free_port

__all__ = ["receive_usual"]

THREADS = 8
PATH = "/in/usual/"
START_WITHIN = 60.0  # seconds
MIGRATE = "import benchmarks.usual.receiving; from django.core.management import call_command as it;"
MIGRATE += " it('migrate', run_syncdb=True, verbosity=0)"


def receive_usual(bench: Bench) -> Row:
    """A view of REST framework, `standardwebhooks`, and get_or_create, under the same server with as many threads."""
    count = bench.size(3_000, 20_000)
    environment = {**usual_environment(bench), "USUAL_SECRET": SECRET}
    bench.stand.sql("DROP DATABASE IF EXISTS usual")
    bench.stand.sql("CREATE DATABASE usual")
    subprocess.run([sys.executable, "-c", MIGRATE], cwd=ROOT, env=environment, check=True)
    port = free_port()
    server = subprocess.Popen(_server(port), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        _await(port)
        built = [signed(PATH, SECRET, number, SIZE) for number in range(count)]
        with bench.meter(usual=server.pid) as meter:
            load = bench.instruments.start_load(port, built, count=count, connections=SENDERS)
            answers = bench.run(load, "receiving", count).answers()
    finally:
        server.terminate()
        server.wait()
    rate = len(answers) * 1e9 / (max(one.done for one in answers) - min(one.sent for one in answers))
    with bench.stand.another_session("usual") as session:
        kept = session.execute("SELECT count(*) FROM usual_received").fetchall()[0][0]
    row = Row(
        name="receive-usual",
        title="The usual way: receive, verify, dedupe, keep, 1 KB",
        setting=f"{count:,} messages: a view of REST framework, standardwebhooks, get_or_create; {THREADS} threads",
        count=count,
        rate=rate,
        unit="requests",
        latency=Latency.of([one.milliseconds for one in answers]),
        cost=meter.reading,
        checks=[all_answered(answers), Check("every message was kept once", kept == count, f"{kept} of {count}")],
    )
    if (ours := bench.kept.get("receive")) is not None:
        web = 1000 * ours.cost.cpu.get("web", 0.0) / ours.count, 1000 * row.cost.cpu.get("usual", 0.0) / count
        row.notes = [
            f"Waypost is {ours.rate / max(rate, 1e-9):.1f} times as fast, handling included; its web process takes"
            f" {web[0]:.2f} ms of CPU for a message, this one {web[1]:.2f}"
        ]
    return row


def _server(port: int) -> list[str]:
    granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "--no-ws"]
    return [
        *granian,
        "--blocking-threads",
        str(THREADS),
        "--log-level",
        "error",
        "benchmarks.usual.receiving:application",
    ]


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
