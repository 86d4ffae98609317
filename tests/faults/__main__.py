"""The long form of the fault suite: every fault, alone, once per seed; a table; status 1 if a promise was broken.

python -m tests.faults [--seeds 20] [--first 1] [--only WORDS]
"""

import argparse
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from tests.faults.houses import HOUSES, why_not
from tests.faults.injectors import FAULTS, Fault
from tests.faults.scene import Result, scene

COLUMNS = ("fault", "runs", "promised", "lost", "copies", "at most", "all served again after", "publishing p99")
out = Console(highlight=False, width=200)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C: the house is put away
    given = arguments()
    chosen = [fault for fault in FAULTS.values() if given.only in fault.name]
    results: list[Result] = []
    failures: list[str] = []
    for wants, group in grouped(chosen).items():
        if reason := why_not(wants):
            out.print(f"not available here ({reason}): {', '.join(fault.name for fault in group)}")
            continue
        for seed in range(given.first, given.first + given.seeds):
            for fault, ended in play(wants, group, seed):
                tell(fault, seed, ended)
                if isinstance(ended, Result):
                    results.append(ended)
                    failures += [f"{fault.name}, seed {seed}: {it}" for it in ended.report.breaches]
                else:
                    failures.append(f"{fault.name}, seed {seed}: {ended}")
    out.print(table(results))
    out.print(f"{len(results)} runs, {len(failures)} promises broken")
    return 1 if failures else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Break the platform, one fault at a time, and compare the books.")
    parser.add_argument("--seeds", type=int, default=20, help="how often each fault is tried (default 20)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--only", default="", help="faults whose name has these words in it")
    return parser.parse_args()


def grouped(faults: list[Fault]) -> dict[str, list[Fault]]:
    """By the house they want."""
    groups: dict[str, list[Fault]] = defaultdict(list)
    for fault in faults:
        groups[fault.wants].append(fault)
    return groups


def play(wants: str, faults: list[Fault], seed: int) -> Iterator[tuple[Fault, Result | str]]:
    """These faults, one after the other in one house; a house that never became quiet is left."""
    with HOUSES[wants]() as house, scene(house) as stage:
        for fault in faults:
            try:
                yield fault, stage.play(fault, seed)
            except AssertionError as error:
                yield fault, f"{error}\n{house.last_words()}"
                return


def tell(fault: Fault, seed: int, ended: Result | str) -> None:
    if isinstance(ended, str):
        out.print(f"seed {seed}  {fault.name}: FAILED\n{ended}", markup=False)
        return
    report = ended.report
    word = f"{len(report.breaches)} BROKEN" if report.breaches else "kept"
    out.print(
        f"seed {seed}  {fault.name}: {word}; promised {ended.promised}, lost {report.lost}, copies {report.copies}"
        f" of at most {ended.allowed}, all served again after {ended.first:.2f} s,"
        f" publishing p99 {ended.slowest * 1000:.0f} ms",
        markup=False,
    )
    for breach in report.breaches[:10]:
        out.print(f"    {breach}", markup=False)


def table(results: list[Result]) -> Table:
    """A line for each fault: sums of what is counted, the worst of what is measured."""
    shown = Table(*COLUMNS)
    by_fault: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_fault[result.fault].append(result)
    for name, runs in by_fault.items():
        shown.add_row(
            name,
            str(len(runs)),
            str(sum(it.promised for it in runs)),
            str(sum(it.report.lost for it in runs)),
            str(sum(it.report.copies for it in runs)),
            str(sum(it.allowed for it in runs)),
            f"{max(it.first for it in runs):.2f} s",
            f"{max(it.slowest for it in runs) * 1000:.0f} ms",
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
