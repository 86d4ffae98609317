"""Run the benchmark: measure each row on emptied tables, continue after a row that failed."""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.bench import Bench
from benchmarks.deployment import ROOT, Deployment
from benchmarks.result import Check, Result
from benchmarks.rows import Row
from benchmarks.system import System
from benchmarks.usual_system import UsualSystem
from benchmarks.wire.programs import Sink, Start, build
from config.local.process_guard import ProcessGuard

DISCARD_WITHIN = 180  # seconds until the embedded servers have stopped; one that is starting completes its start first


class Place(NamedTuple):
    """Where a run has its files, and the function that starts its processes. Both end with the run."""

    directory: Path
    start: Start
    sink: Sink

    def bench(self, launch: Callable[[Path], System], quick: bool) -> Bench:
        """Return a bench for one system."""
        return Bench(self.directory, self.start, self.sink, launch, quick)


@contextmanager
def place() -> Iterator[Place]:
    """Build the programs, and remove everything in the end, however the run ends. Raises NoCompilerError."""
    directory = Path(tempfile.mkdtemp(prefix="waypost-bench-"))
    discard = [sys.executable, "-m", "config.local.embedded", "discard", str(directory), str(DISCARD_WITHIN)]
    guard = ProcessGuard(f"benchmark {directory}", clean_up=discard)
    start = partial(guard.start, cwd=ROOT, start_new_session=True)  # Ctrl-C reaches only the run
    directory.chmod(0o711)  # the embedded servers run as another user, if we are root
    try:
        build(directory)
        yield Place(directory, start, Sink(directory, start))
    finally:
        guard.close()


def run(rows: Sequence[Row], quick: bool, usual: bool) -> tuple[dict[str, str], list[Result]]:
    """Measure the rows, `usual`: those of the usual way too; return the facts about the machine and the results.

    Raises NoCompilerError.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    with place() as where:
        ours = where.bench(lambda directory: Deployment(directory, where.start), quick)
        theirs = where.bench(lambda directory: UsualSystem(directory, where.start), quick)
        print(f"{len(rows)} rows to measure.", flush=True)
        results = []
        for number, row in enumerate(rows, 1):
            print(f"{number:>3}/{len(rows)} {row.name}: {row.title} ...", flush=True)
            results.append(_measure_and_print(row, ours, "ours"))
            if usual and row.usual:
                results[-1].usual = _measure_and_print(row, theirs, "the usual way")
        facts = _facts(started_at, quick, ours)
    return facts, results


def measure(row: Row, bench: Bench) -> Result:
    """Return the row's result; after an exception, a failed result with the reason."""
    began = time.monotonic()
    try:
        bench.empty()
        result = row.measure(bench)
    except Exception as error:
        result = Result(0, checks=[Check("the row could be measured", False, f"{type(error).__name__}: {error}")])
    result.name, result.aims, result.seconds = row.name, dict(row.aims), time.monotonic() - began
    return result


def _measure_and_print(row: Row, bench: Bench, whose: str) -> Result:
    result = measure(row, bench)
    print(f"        {whose}: {in_words(result)} ({result.seconds:.0f} s)", flush=True)
    return result


def in_words(result: Result) -> str:
    """Return all figures in one line, or why there are none."""
    if not result.is_valid:
        return "FAILED: " + "; ".join(result.failures)
    return ", ".join(f"{name} {one.value:,.1f} {one.unit}" for name, one in result.figures.items())


def _facts(started_at: str, quick: bool, ours: Bench) -> dict[str, str]:
    return {
        "started": started_at,
        "sizes": "quick, to be compared with quick runs only" if quick else "full",
        "processors": f"{os.cpu_count()} ({platform.machine()})",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": ours.server_version(),
        "load average at the end": ", ".join(f"{value:.1f}" for value in os.getloadavg()),
    }
