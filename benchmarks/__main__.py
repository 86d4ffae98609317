"""python -m benchmarks [--quick] [--only ROW ...] [--list]: measure the platform and write down what was found.

The report is a table here, and ``report.html``, ``report.md`` and ``report.json`` in ``benchmarks/out``. The exit
status is 1 if a row failed its own checks or could not be measured; an aim that is missed fails nothing.
"""

import argparse
import signal
import sys
from pathlib import Path
from typing import NoReturn

from benchmarks import markdown, page, report
from benchmarks.catalogue import ROWS, START, Entry
from benchmarks.figures import spoken
from benchmarks.run import run
from benchmarks.screen import Screen
from benchmarks.sizes import Sizes

OUT = Path(__file__).parent / "out"


def main() -> int:
    arguments = _arguments()
    sizes = Sizes(arguments.quick, arguments.scale)
    chosen = [entry for entry in ROWS if _is_chosen(entry, arguments)]
    if arguments.list:
        _tell(chosen, sizes)
        return 0
    with Screen(len(chosen)) as screen:
        screen.say(f"{len(chosen)} rows, about {spoken(_expected(chosen, sizes))} on two quiet cores")
        facts, rows = run(chosen, sizes, screen, OUT / "profile" if arguments.profile else None)
    screen.table(rows)
    for write in (report.write, markdown.write, page.write):
        write(OUT, facts, rows)
    screen.console.print(f"{facts['took']}; sink and generator: {facts['sink and generator']}")
    screen.console.print(f"written: {OUT}/report.html, report.md, report.json")
    return 0 if all(row.holds for row in rows) else 1


def _arguments() -> argparse.Namespace:
    whole, small = (spoken(_expected(ROWS if not quick else _quick_rows(), Sizes(quick))) for quick in (False, True))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the platform on this machine, started for that on servers and files of its own.",
        epilog=f"All rows take about {whole} on two quiet cores, --quick about {small}; --list says it for each row."
        " A row that takes ten times as long (and two minutes more) is given up and reported as failed.",
    )
    names = [entry.name for entry in ROWS]
    parser.add_argument("--quick", action="store_true", help="small sizes and fewer rows")
    parser.add_argument("--only", action="append", metavar="NAME", choices=names, help="this row; may be repeated")
    parser.add_argument("--list", action="store_true", help="say which rows there are and how long each takes")
    parser.add_argument("--scale", type=_scale, default=1.0, metavar="PART", help="of the full sizes, say 0.1")
    parser.add_argument("--profile", action="store_true", help="py-spy and the costliest statements for each row")
    return parser.parse_args()


def _scale(text: str) -> float:
    if not 0 < (value := float(text)) <= 1:
        raise ValueError
    return value


def _is_chosen(entry: Entry, arguments: argparse.Namespace) -> bool:
    if arguments.only:
        return entry.name in arguments.only
    return not arguments.quick or entry.is_quick


def _quick_rows() -> list[Entry]:
    return [entry for entry in ROWS if entry.is_quick]


def _expected(entries: list[Entry], sizes: Sizes) -> float:
    return START + sum(entry.seconds(sizes) for entry in entries)


def _tell(entries: list[Entry], sizes: Sizes) -> None:
    for entry in entries:
        print(f"{entry.name:<16} {spoken(entry.seconds(sizes)):>7}  {entry.about}")
    print(
        f"{'altogether':<16} {spoken(_expected(entries, sizes)):>7}  with the start of the platform, on two quiet cores"
    )


def _stop(number: int, _frame: object) -> NoReturn:
    """Once: the guard cleans up, whatever happens to us from now on."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    sys.exit(main())
