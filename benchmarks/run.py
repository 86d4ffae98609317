"""One run: the platform is started once, each row is measured on emptied tables, and no row can end the run.

A row that raises, or takes longer than it may, is a row that failed; its reason stands in the report, what it left
under way is ended, the platform is started again if it went down, and the next row begins.
"""

import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks import report
from benchmarks.bench import Bench
from benchmarks.catalogue import Entry
from benchmarks.figures import Check, Row, compare
from benchmarks.flames import Flames
from benchmarks.instruments import Instruments
from benchmarks.report import Facts
from benchmarks.screen import Screen
from benchmarks.sizes import Sizes
from benchmarks.stand import Stand
from benchmarks.statements import StatementLog
from config.local.process_guard import ProcessGuard

__all__ = ["TooLong", "measured", "run"]

SINK_PORTS = 1_000  # endpoints beyond that share ports, as if they lay on one host
SINK_ROOM = 8_000_000  # arrivals
DISCARD_WITHIN = 180.0  # seconds until the embedded servers have stopped; one that is being set up is set up first
SAMPLE = 0.2  # of the server's messages
TIMES, GRACE = 10, 120.0  # a row may take so many times what is expected, and so many seconds more


class TooLong(Exception):
    """The row takes much longer than it may."""


def run(entries: list[Entry], sizes: Sizes, screen: Screen, profile_into: Path | None) -> tuple[Facts, list[Row]]:
    """Measure these rows. Raises RuntimeError if the platform does not start at all."""
    started_at, began = datetime.now(UTC), time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="waypost-bench-"))
    discard = [sys.executable, "-m", "config.local.embedded", "discard", str(directory), str(DISCARD_WITHIN)]
    guard = ProcessGuard(f"benchmark {directory}", clean_up=discard)
    start = partial(guard.start, start_new_session=True)  # Ctrl-C is for the run
    try:
        stand = Stand(start, directory)
        instruments = Instruments(directory, start)
        sink = instruments.start_sink(SINK_PORTS, SINK_ROOM)
        log = StatementLog(stand.connection, stand.server_log, 1.0 if profile_into else SAMPLE)
        flames = Flames(start, profile_into) if profile_into else None
        bench = Bench(stand, sink, instruments, log, sizes, screen.progress, start, flames)
        screen.say(f"{'ready':<7} the platform, after {time.monotonic() - began:.0f} s")
        rows = [_measure(entry, bench, screen) for entry in entries]
        compare(rows)
        facts = report.machine(stand, instruments.kind, str(sizes), started_at, time.monotonic() - began)
        if flames:
            facts["profiled"] = "py-spy and a log of all statements cost time: look at the shares, not at the rates"
    finally:
        guard.close()
    return facts, rows


def _measure(entry: Entry, bench: Bench, screen: Screen) -> Row:
    screen.begin(entry.about)
    row = measured(entry, bench)
    bench.kept[entry.name] = row
    screen.end(row)
    return row


def measured(entry: Entry, bench: Bench) -> Row:
    """The row, or the row that says why there is none."""
    began = time.monotonic()
    try:
        with _at_most(TIMES * entry.seconds(bench.sizes) + GRACE):
            bench.begin(entry.name)
            row = entry.measure(bench)
    except Exception as error:
        row = _failed(entry, f"{type(error).__name__}: {error}")
        _recover(bench, row)
    row.took = time.monotonic() - began
    row.notes += bench.flames.notes if bench.flames else []
    return row


def _failed(entry: Entry, why: str) -> Row:
    checks = [Check("it could be measured", False, why)]
    return Row(entry.name, entry.about, "", 0, 0.0, checks=checks)


def _recover(bench: Bench, row: Row) -> None:
    try:
        bench.stand.recover()
    except Exception as error:  # the next row will try again
        row.checks.append(Check("the platform runs again", False, f"{type(error).__name__}: {error}"))


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TooLong where the main thread is when the time is up."""

    def too_long(*_: object) -> None:
        raise TooLong(f"it was not over after {seconds:,.0f} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
