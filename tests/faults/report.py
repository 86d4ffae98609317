"""Print a line for each fault, and a table of all faults at the end."""

from collections import defaultdict

from rich.console import Console
from rich.table import Table

from tests.faults.fault_run import FaultResult

COLUMNS = ("fault", "runs", "accepted", "lost", "copies", "at most", "all served again after", "publishing p99")
out = Console(highlight=False, width=200)


def print_result(fault: str, seed: int, ended: FaultResult | str) -> None:
    """Print in one piece, because several platforms print at the same time."""
    out.print("\n".join([f"seed {seed}  {fault}: {_summary(ended)}", *_violations(ended)]), markup=False)


def _summary(ended: FaultResult | str) -> str:
    if isinstance(ended, str):
        return f"FAILED\n{ended}"
    report = ended.report
    verdict = f"{len(report.violations)} VIOLATED" if report.violations else "ok"
    return (
        f"{verdict}; accepted {ended.accepted} ({ended.deferred} deferred), lost {report.lost}, "
        f"copies {report.copies} of at most {ended.copies_allowed}, "
        f"all served again after {ended.recovered_after:.2f} s, publishing p99 {ended.publish_p99 * 1000:.0f} ms"
    )


def _violations(ended: FaultResult | str) -> list[str]:
    return [] if isinstance(ended, str) else [f"    {violation}" for violation in ended.report.violations[:10]]


def table(results: list[FaultResult]) -> Table:
    """Return a row for each fault: sums of the counts, maxima of the measurements."""
    shown = Table(*COLUMNS)
    by_fault: dict[str, list[FaultResult]] = defaultdict(list)
    for result in results:
        by_fault[result.fault].append(result)
    for name, runs in by_fault.items():
        shown.add_row(
            name,
            str(len(runs)),
            str(sum(it.accepted for it in runs)),
            str(sum(it.report.lost for it in runs)),
            str(sum(it.report.copies for it in runs)),
            str(sum(it.copies_allowed for it in runs)),
            f"{max(it.recovered_after for it in runs):.2f} s",
            f"{max(it.publish_p99 for it in runs) * 1000:.0f} ms",
        )
    return shown
