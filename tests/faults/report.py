"""What the long form says: a line for each fault that was tried, and a table of all of them in the end."""

from collections import defaultdict

from rich.console import Console
from rich.table import Table

from tests.faults.scene import Result

COLUMNS = ("fault", "runs", "promised", "lost", "copies", "at most", "all served again after", "publishing p99")
out = Console(highlight=False, width=200)


def tell(fault: str, seed: int, ended: Result | str) -> None:
    """Said in one piece, for several houses speak at once."""
    out.print("\n".join([f"seed {seed}  {fault}: {_in_short(ended)}", *_breaches(ended)]), markup=False)


def _in_short(ended: Result | str) -> str:
    if isinstance(ended, str):
        return f"FAILED\n{ended}"
    report = ended.report
    word = f"{len(report.breaches)} BROKEN" if report.breaches else "kept"
    return (
        f"{word}; promised {ended.promised}, lost {report.lost}, copies {report.copies} of at most {ended.allowed}, "
        f"all served again after {ended.first:.2f} s, publishing p99 {ended.slowest * 1000:.0f} ms"
    )


def _breaches(ended: Result | str) -> list[str]:
    return [] if isinstance(ended, str) else [f"    {breach}" for breach in ended.report.breaches[:10]]


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
