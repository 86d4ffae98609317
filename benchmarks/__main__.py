"""python -m benchmarks [--quick] [--only ROW ...] [--list]: measure the platform and write down what was found.

The report is a table here, and ``report.json`` and ``report.html`` in ``benchmarks/out``. The exit status is 1 if a
row failed its own checks or could not be measured; an aim that is missed fails nothing.
"""

import argparse
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import page, report
from benchmarks.bench import Bench
from benchmarks.catalogue import ROWS, Entry
from benchmarks.figures import Check, Row
from benchmarks.instruments import Instruments
from benchmarks.screen import Screen
from benchmarks.stand import Stand
from benchmarks.statements import StatementLog

OUT = Path(__file__).parent / "out"
SINK_PORTS = 1_000  # endpoints beyond that share ports, as if they lay on one host
SINK_ROOM = 8_000_000  # arrivals
SAMPLE = 0.2  # of the server's messages


def main() -> int:
    arguments = _arguments()
    if arguments.list:
        for entry in ROWS:
            print(f"{entry.name:<16} {'quick, full' if entry.quick else 'full':<12} {entry.about}")
        return 0
    chosen = [entry for entry in ROWS if _is_chosen(entry, arguments)]
    started_at = datetime.now(UTC)
    with Screen(len(chosen)) as screen, Stand() as stand:
        instruments = Instruments(stand.directory)
        sink = instruments.start_sink(SINK_PORTS, SINK_ROOM)
        log = StatementLog(stand.connection, stand.server_log, SAMPLE)
        bench = Bench(stand, sink, instruments, log, arguments.quick, screen.progress)
        try:
            rows = [_measure(entry, bench, screen) for entry in chosen]
        finally:
            sink.stop()
        machine = report.machine(stand, instruments.kind, arguments.quick, started_at)
    screen.table(rows)
    report.write(OUT, machine, rows)
    page.write(OUT, machine, rows)
    screen.console.print(f"written: {OUT / 'report.json'}, {OUT / 'report.html'}; instruments: {instruments.kind}")
    return 0 if all(row.holds for row in rows) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure the platform on this machine.")
    parser.add_argument("--quick", action="store_true", help="small sizes and fewer rows, under two minutes")
    parser.add_argument("--only", action="append", metavar="ROW", choices=[entry.name for entry in ROWS])
    parser.add_argument("--list", action="store_true", help="say which rows there are")
    return parser.parse_args()


def _is_chosen(entry: Entry, arguments: argparse.Namespace) -> bool:
    if arguments.only:
        return entry.name in arguments.only
    return entry.quick or not arguments.quick


def _measure(entry: Entry, bench: Bench, screen: Screen) -> Row:
    """A row that cannot be measured is a row that failed; the others are measured all the same."""
    screen.begin(entry.about)
    try:
        bench.sink.heal(False)
        bench.stand.begin_anew()
        row = entry.measure(bench)
    except Exception as error:
        row = Row(entry.name, entry.about, "", 0, 0.0)
        row.checks = [Check("it could be measured", False, f"{type(error).__name__}: {error}")]
    bench.kept[entry.name] = row
    screen.end(row)
    return row


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwind, so that the servers are stopped
    sys.exit(main())
