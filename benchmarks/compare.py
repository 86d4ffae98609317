"""Run `python -m benchmarks.compare COMMIT [--only ROW ...] [--rounds N]`: say what became slower since a commit.

Both trees run on this machine at the same time and are measured in turns by the rows of this tree: base, ours, ours,
base, and so on. `comparison.py` has the rule. The table is printed and written to `benchmarks/out/compare.md`. The exit
status is 1 if a figure became worse or a row of this tree failed, 2 if the commit cannot be run.

`--base-env NAME=VALUE` runs the base with another setting: with HEAD as the commit, the table says what that setting
costs, or saves.
"""

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.comparison import Change, Measured, changes
from benchmarks.deployment import UNCHANGED, Deployment
from benchmarks.report import number
from benchmarks.result import Result
from benchmarks.rows import ROWS, Row, publishing
from benchmarks.run import Place, in_words, measure, place
from benchmarks.trees import NoTreeError, Tree, check_out, working_tree
from benchmarks.wire.programs import NoCompilerError

OUT = Path(__file__).parent / "out"
ROUNDS = 6
CHOSEN = ["hot-endpoint", "publish", "fan-out", "latency", "drain"]
WARM_UP = Row("warm-up", "load everything, and give the tables statistics", publishing.one_to_one)
HEAD = ["row", "figure", "base", "here", "times better", "from", "to", ""]


def main() -> int:
    """Measure the chosen rows in turns, print the changes, and return the exit status."""
    arguments = _parser().parse_args()
    rows = [row for row in ROWS if row.name in (arguments.only or CHOSEN)]
    try:
        with place() as where:
            base, environment = check_out(arguments.commit, where.directory), dict(arguments.base_env)
            name = " ".join([base.name, *(f"{key}={value}" for key, value in environment.items())])
            print(f"This tree and {name}: {len(rows)} rows, {arguments.rounds} rounds.", flush=True)
            sides = {
                "base": _bench(where, base, quick=not arguments.full, environment=environment),
                "here": _bench(where, working_tree(), quick=not arguments.full),
            }
            measured = measure_in_turns(rows, sides, arguments.rounds)
    except (NoTreeError, NoCompilerError) as error:
        print(error, file=sys.stderr)
        return 2
    found = [change for one in measured for change in changes(one)]
    text = table(name, found, measured)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "compare.md").write_text(text)
    print("", text, sep="\n")
    return status(found, measured)


def status(found: Sequence[Change], measured: Sequence[Measured]) -> int:
    """Return the exit status: 1 if a figure became worse, or a row failed here."""
    return int(any(change.verdict == "worse" for change in found) or any("here" in one.failures for one in measured))


def _bench(where: Place, tree: Tree, quick: bool, environment: Mapping[str, str] = UNCHANGED) -> Bench:
    def launch(directory: Path) -> Deployment:
        return Deployment(directory, where.start, tree.root, tree.python, environment)

    return where.bench(launch, quick)


class Progress:
    """Prints each measurement, with its place among all and the time that is left."""

    def __init__(self, total: int) -> None:
        """Expect `total` measurements."""
        self._total, self._done, self._seconds = total, 0, 0.0

    def report(self, what: str, result: Result) -> None:
        """Print a measurement."""
        self._done, self._seconds = self._done + 1, self._seconds + result.seconds
        left = (self._total - self._done) * self._seconds / self._done
        place = f"{self._done:>3}/{self._total}, {left / 60:.0f} min left"
        print(f"{place}: {what}: {in_words(result)}", flush=True)

    def skip(self, count: int) -> None:
        """Expect `count` measurements less."""
        self._total -= count


def measure_in_turns(rows: Sequence[Row], sides: Mapping[str, Bench], rounds: int) -> list[Measured]:
    """Measure all rows; a row that fails is measured no further."""
    progress, warm, found = Progress(2 * rounds * len(rows)), False, []
    for row in rows:
        if not (warm or row.fresh):
            for side, bench in sides.items():
                print(f"Warming up, {side}: {in_words(measure(WARM_UP, bench))}", flush=True)
            warm = True
        found.append(_measure_row(row, sides, rounds, progress))
    return found


def _measure_row(row: Row, sides: Mapping[str, Bench], rounds: int, progress: Progress) -> Measured:
    measured = Measured(row.name)
    for number_ in range(rounds):
        results: dict[str, Result] = {}
        for side in list(sides)[:: 1 if number_ % 2 == 0 else -1]:
            results[side] = measure(row, sides[side])
            progress.report(f"{row.name}, round {number_ + 1} of {rounds}, {side}", results[side])
        measured.failures = {side: in_words(result) for side, result in results.items() if not result.is_valid}
        if measured.failures:
            progress.skip(2 * (rounds - number_ - 1))
            break
        measured.pairs.append((results["base"], results["here"]))
    return measured


def table(base: str, found: Sequence[Change], measured: Sequence[Measured]) -> str:
    """Return the changes as a Markdown table, the verdict below it, and the rows that could not be compared."""
    lines = [HEAD, ["---", "---", *["---:"] * 5, "---"], *map(_cells, found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    rows = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    worse = [f"{one.row}, {one.figure}: {one.median:.2f} times as good" for one in found if one.verdict == "worse"]
    verdict = f"Worse than {base}: {'; '.join(worse)}." if worse else f"Nothing is worse than {base} beyond the noise."
    if any(one.verdict == "not judged" for one in found):
        verdict = "Too few rounds to judge: at least 5 are needed."
    missing = [
        f"- {one.row} could not be measured to the end; {side}: {failure}"
        for one in measured
        for side, failure in one.failures.items()
    ]
    return "\n".join([*rows, "", verdict, *missing, ""])


def _cells(change: Change) -> list[str]:
    ratios = [f"{value:.2f}" for value in (change.median, min(change.ratios), max(change.ratios))]
    verdict = "**worse**" if change.verdict == "worse" else change.verdict
    return [change.row, change.figure, number(change.base), number(change.ours), *ratios, verdict]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description="Measure this tree and a commit in turns; say which figures became worse.",
    )
    names = [row.name for row in ROWS if row.driven]
    parser.add_argument("commit", help="the commit to compare with")
    parser.add_argument(
        "--only",
        action="append",
        metavar="ROW",
        choices=names,
        help=f"a row; repeatable (default: {', '.join(CHOSEN)})",
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"pairs of measurements for each row ({ROUNDS})")
    parser.add_argument(
        "--base-env",
        action="append",
        default=[],
        type=_variable,
        metavar="NAME=VALUE",
        help="an environment variable of the base only; repeatable",
    )
    parser.add_argument("--full", action="store_true", help="use the sizes of the full run")
    return parser


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name.isidentifier() and equals):
        raise argparse.ArgumentTypeError("must be NAME=VALUE, such as WAYPOST_METRICS=no")
    if name in Deployment.FIXED:
        raise argparse.ArgumentTypeError(f"{name} must not be set: each side has files and servers of its own")
    return name, value


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sys.exit(main())
