"""The usual way of doing it, on the same servers in the same run: how much is gained over it."""

import os
import subprocess
import sys

import psutil

from benchmarks.bench import SIZE, Bench, arrival_rate
from benchmarks.figures import Aim, Check, Latency, Reading, Row
from benchmarks.stand import ROOT
from config.local import embedded
from config.local.process_guard import end

__all__ = ["usual", "usual_environment"]

ENDPOINTS = 100
TIMES = 10  # as fast as that, at least, the first row has to be
STOP_WITHIN = 30.0  # seconds
DELIVERED = "SELECT count(*) FROM usual_delivery WHERE state = 'delivered'"
ATTEMPTS = "SELECT count(*) FROM usual_attempt"


def usual(bench: Bench) -> Row:
    """Drain a backlog of 1 KB for 100 endpoints: a Celery task per delivery, requests.post, rows by the ORM."""
    count = bench.size(1_000, 10_000)
    environment = usual_environment(bench)
    bench.stand.sql("DROP DATABASE IF EXISTS usual")
    bench.stand.sql("CREATE DATABASE usual")
    bench.progress("queueing tasks", 0, 1)
    urls = [bench.sink.url(lane) for lane in range(ENDPOINTS)]
    publish = [sys.executable, "-m", "benchmarks.usual.publish", str(count), str(SIZE), *urls]
    if bench.start(publish, cwd=ROOT, env=environment).wait():
        raise RuntimeError("the tasks could not be queued")
    since = bench.sink.count
    workers = 2 * (os.cpu_count() or 1)
    worker = bench.start(_worker(workers), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        bench.await_arrivals(since, 1)  # it has started
        with bench.meter(usual=worker.pid) as meter:
            bench.await_arrivals(since, count)
    finally:
        end([psutil.Process(worker.pid)], STOP_WITHIN)
        worker.wait()
    return _row(bench, since, count, workers, meter.reading)


def _row(bench: Bench, since: int, count: int, workers: int, cost: Reading) -> Row:
    arrivals = bench.sink.arrivals(since)
    rate = arrival_rate(arrivals)
    row = Row(
        name="usual",
        title="The usual way: drain a backlog, 1 KB, 100 endpoints",
        setting=f"{count:,} deliveries: one Celery task each, requests.post, rows by the ORM; {workers} processes",
        count=count,
        rate=rate,
        latency=Latency.of([(one.arrived - arrivals[0].arrived) / 1e6 for one in arrivals]),
        cost=cost,
        checks=_checks(bench, count, len(arrivals)),
    )
    if (drain := bench.kept.get("drain")) is not None:
        times = drain.rate / max(rate, 1e-9)
        row.aim = Aim(f"the first row at least {TIMES} times as fast", times >= TIMES)
        row.notes = [
            f"Waypost is {times:.1f} times as fast and takes {row.cpu_ms_per_1000 / drain.cpu_ms_per_1000:.1f} times"
            " less CPU for a delivery"
        ]
    return row


def _worker(processes: int) -> list[str]:
    celery = [sys.executable, "-m", "celery", "-q", "-A", "benchmarks.usual.celery_app", "worker"]
    return [*celery, "-c", str(processes), "-O", "fair", "--without-gossip", "--without-mingle", "-l", "ERROR"]


def usual_environment(bench: Bench) -> dict[str, str]:
    data = bench.stand.data
    return {
        **os.environ,
        "USUAL_DATABASE": embedded.database_url(data),
        "USUAL_BROKER": f"{embedded.broker_url(data)}?virtual_host=1",  # beside the platform's own, on one server
        "DJANGO_SETTINGS_MODULE": "benchmarks.usual.settings",
        "PYTHONWARNINGS": "ignore",  # Celery warns of running as root
    }


def _checks(bench: Bench, count: int, arrived: int) -> list[Check]:
    with bench.stand.another_session("usual") as session:
        made, over = (session.execute(it).fetchall()[0][0] for it in (ATTEMPTS, DELIVERED))
    return [
        Check("every delivery arrived once", arrived == count, f"{arrived} of {count}"),
        Check("the sink's count agrees with the recorded attempts", arrived == made, f"{arrived} and {made}"),
        Check("nothing is owed at the end", over == count, f"{count - over} owed"),
    ]
