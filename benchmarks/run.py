"""Run the benchmark: start the platform once, measure each row on emptied tables, continue after a row that failed."""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil

from benchmarks.bench import Bench
from benchmarks.deployment import ROOT, Deployment
from benchmarks.result import Check, Result, compare
from benchmarks.rows import Row
from benchmarks.wire.programs import LoadGenerator, Sink, build
from config.local.process_guard import ProcessGuard

DISCARD_WITHIN = 180  # seconds until the embedded servers have stopped; one that is starting completes its start first


def run(rows: Sequence[Row], quick: bool) -> tuple[dict[str, str], list[Result]]:
    """Measure the rows; return the facts about the machine and the results.

    Raises NoCompilerError, and RuntimeError if the platform does not start.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    directory = Path(tempfile.mkdtemp(prefix="waypost-bench-"))
    discard = [sys.executable, "-m", "config.local.embedded", "discard", str(directory), str(DISCARD_WITHIN)]
    guard = ProcessGuard(f"benchmark {directory}", clean_up=discard)
    start = partial(guard.start, cwd=ROOT, start_new_session=True)  # Ctrl-C reaches only the run
    try:
        build(directory)
        deployment = Deployment(directory, start)
        bench = Bench(deployment, Sink(directory, start), LoadGenerator(directory, start), start, quick)
        print(f"The platform is ready; {len(rows)} rows to measure.", flush=True)
        results = [_measure_and_print(row, bench) for row in rows]
        facts = {
            "started": started_at,
            "sizes": "quick, to be compared with quick runs only" if quick else "full",
            "processors": f"{os.cpu_count()} ({platform.machine()})",
            "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
            "system": f"{platform.system()} {platform.release()}",
            "Python": platform.python_version(),
            "PostgreSQL": str(deployment.sql("SHOW server_version")[0][0]),
            "load average at the end": ", ".join(f"{value:.1f}" for value in os.getloadavg()),
        }
    finally:
        guard.close()
    compare(results)
    return facts, results


def measure(row: Row, bench: Bench) -> Result:
    """Return the row's result; after an exception, a failed result with the reason."""
    began = time.monotonic()
    try:
        bench.deployment.empty()
        result = row.measure(bench)
    except Exception as error:
        result = Result(0, 0.0, checks=[Check("the row could be measured", False, f"{type(error).__name__}: {error}")])
    result.name, result.usual, result.seconds = row.name, row.usual, time.monotonic() - began
    return result


def _measure_and_print(row: Row, bench: Bench) -> Result:
    print(f"  {row.name:<16} {row.title} ...", flush=True)
    result = measure(row, bench)
    latency = f", p50 {result.latency.p50:,.1f} ms, p99 {result.latency.p99:,.1f} ms" if result.latency else ""
    found = f"{result.rate:,.1f} {result.unit}/s{latency}" if result.is_valid else "FAILED"
    print(f"  {'':<16} {found} ({result.seconds:.0f} s)", *result.failures, sep="\n    ", flush=True)
    return result
