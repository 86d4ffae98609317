"""Do the same the usual way, on the same servers in the same run, with the Django project in `benchmarks/usual`."""

import os
import subprocess
import sys
from typing import Any

from benchmarks.bench import SIZE, Bench, rate
from benchmarks.deployment import await_ready, free_port
from benchmarks.result import Check, Result
from benchmarks.rows.receiving import CONNECTIONS, REPEATS, SECRET, repeat_checks, result_of
from benchmarks.wire.messages import signed
from config.local import embedded

ENDPOINTS = 100
THREADS = 8  # of the receiving web server
PATH = "/in/usual/"
COUNTS = "SELECT (SELECT count(*) FROM usual_attempt), (SELECT count(*) FROM usual_delivery WHERE state = 'delivered')"


def deliver(bench: Bench) -> Result:
    """Drain a backlog: a Celery task for each delivery, requests.post, rows by the ORM."""
    count, start = bench.size(1_000, 10_000), _start_python(bench)
    urls = [bench.sink.url(lane) for lane in range(ENDPOINTS)]
    if start("benchmarks.usual.tasks", str(count), str(SIZE), *urls).wait():
        raise RuntimeError("the tasks could not be queued")
    since = bench.sink.count
    celery = ["celery", "-q", "-A", "benchmarks.usual.tasks", "worker", "-c", str(2 * (os.cpu_count() or 1))]
    worker = start(*celery, "-O", "fair", "--without-gossip", "--without-mingle", "-l", "ERROR")
    bench.await_arrivals(since, 1)
    with bench.meter(usual=worker.pid) as meter:
        bench.await_arrivals(since, count)
    worker.terminate()
    worker.wait()
    arrivals = bench.sink.arrivals(since)
    with bench.deployment.connect("usual") as connection:
        attempts, delivered = connection.execute(COUNTS).fetchall()[0]
    found = f"{len(arrivals)} arrivals, {attempts} attempts, {delivered} delivered"
    checks = [Check(f"{count} arrivals, attempts, deliveries", len(arrivals) == attempts == delivered == count, found)]
    return Result(count, rate(arrivals), None, meter.cost, checks)


def receive(bench: Bench) -> Result:
    """Receive with a REST framework view, standardwebhooks and get_or_create, under the same web server."""
    start, port = _start_python(bench), free_port()
    granian = ["granian", "--interface", "wsgi", "--port", str(port), "--no-ws", "--log-level", "error"]
    server = start(*granian, "--blocking-threads", str(THREADS), "benchmarks.usual.receiving:application")
    await_ready(port, PATH, server)
    requests = [signed(PATH, SECRET, number, SIZE) for number in range(bench.size(3_000, 20_000))]
    with bench.meter(usual=server.pid) as meter:
        responses = bench.send(requests, connections=CONNECTIONS, port=port)
    repeats = bench.send(requests[:REPEATS], port=port)
    server.terminate()
    server.wait()
    with bench.deployment.connect("usual") as connection:
        kept = connection.execute("SELECT count(*) FROM usual_received").fetchall()[0][0]
    result = result_of(responses, meter)
    result.checks += repeat_checks(kept, requests, repeats)
    return result


def _start_python(bench: Bench) -> Any:
    """Create an empty database with the tables; return a function that starts a module in that environment."""
    bench.deployment.sql("DROP DATABASE IF EXISTS usual WITH (FORCE)")
    bench.deployment.sql("CREATE DATABASE usual")
    environment = {
        **os.environ,
        "USUAL_DATABASE": embedded.database_url(bench.deployment.data),
        "USUAL_BROKER": f"{embedded.broker_url(bench.deployment.data)}?virtual_host=1",  # beside the platform's own
        "USUAL_SECRET": SECRET,
        "DJANGO_SETTINGS_MODULE": "benchmarks.usual.settings",
        "PYTHONWARNINGS": "ignore",  # Celery warns if it runs as root
    }

    def start(*arguments: str) -> "subprocess.Popen[Any]":
        command = [sys.executable, "-m", *arguments]
        return bench.start(command, env=environment, stdout=subprocess.DEVNULL)

    if start("django", "migrate", "--run-syncdb", "-v0").wait():
        raise RuntimeError("the tables could not be created")
    return start
