"""Run `python -m benchmarks [--quick] [--only ROW ...] [--usual]`: measure on this machine and write a report.

The platform is measured from outside, beside the usual way of doing the same work on the same servers. `rows/` has one
function for each row of the report, `wire/` the load generator and the sink, `usual/` the project compared with.

The table is printed, and written to `benchmarks/out` as `report.md` and `report.json`. The exit status is 1 if a row
failed a check or could not be measured; an aim that is missed fails nothing, since rates depend on the machine.
"""

import argparse
import signal
import sys
from pathlib import Path

from benchmarks import report
from benchmarks.rows import ROWS
from benchmarks.run import run
from benchmarks.wire.programs import NoCompilerError

OUT = Path(__file__).parent / "out"


def main() -> int:
    """Measure the chosen rows, write the report, and return the exit status."""
    arguments = _parser().parse_args()
    chosen = [
        row for row in ROWS if (row.name in arguments.only if arguments.only else row.quick or not arguments.quick)
    ]
    try:
        facts, results = run(chosen, arguments.quick, arguments.usual or not (arguments.only or arguments.quick))
    except NoCompilerError as error:
        print(error, file=sys.stderr)
        return 2
    report.write(OUT, facts, results)
    print("", report.markdown(facts, results), f"Written: {OUT}/report.md, report.json", sep="\n")
    return 0 if all(result.is_valid for result in results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the platform on this machine, on servers and files of its own.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="rows:\n" + "\n".join(f"  {row.name:<16} {'' if row.quick else '(full) '}{row.title}" for row in ROWS),
    )
    names = [row.name for row in ROWS]
    parser.add_argument("--quick", action="store_true", help="use small sizes; leave out the rows marked (full)")
    parser.add_argument("--only", action="append", metavar="ROW", choices=names, help="measure this row; repeatable")
    parser.add_argument("--usual", action="store_true", help="measure the usual way too; the full run does")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sys.exit(main())
