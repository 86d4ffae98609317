"""Write the results as a Markdown table and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.result import Result

HEAD = ["row", "per second", "p50 ms", "p99 ms", "CPU ms /1000", "of it", "WAL B each", "aim"]
SMALLEST_SHARE = 0.05  # of the CPU, for a program to be named


def write(directory: Path, facts: Mapping[str, str], results: Sequence[Result]) -> None:
    """Write `report.md` and `report.json`; the latter is made to compare two runs with a program."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.md").write_text(markdown(facts, results))
    computed = ("is_valid", "cpu_ms_per_1000", "wal_bytes_each")
    rows = [asdict(result) | {name: getattr(result, name) for name in computed} for result in results]
    (directory / "report.json").write_text(json.dumps({"machine": dict(facts), "rows": rows}, indent=2) + "\n")


def markdown(facts: Mapping[str, str], results: Sequence[Result]) -> str:
    """Return the facts, the table, the ratios to the usual way, the notes and the failed checks."""
    table = [HEAD, ["---", *["---:"] * (len(HEAD) - 2), "---"], *map(_cells, results)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEAD))]
    lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in table]
    notes = [f"- {result.name}: {note}" for result in results for note in (*_ratio(result), *result.notes)]
    failed = [f"- {result.name} failed: {failure}" for result in results for failure in result.failures]
    where = "; ".join(f"{name} {value}" for name, value in facts.items())
    return "\n".join([f"Measured: {where}.", "", *lines, "", *notes, *failed, ""])


def _cells(result: Result) -> list[str]:
    if not result.is_valid:
        return [result.name, "failed", *[""] * (len(HEAD) - 2)]
    numbers = [*(result.latency or ()), result.cpu_ms_per_1000, result.wal_bytes_each]
    cells = [""] * (0 if result.latency else 2) + [
        f"{number:,.1f}" if number < 100 else f"{number:,.0f}" for number in numbers
    ]
    total = sum(result.cost.cpu.values())
    costly = {program: used for program, used in result.cost.cpu.items() if used > SMALLEST_SHARE * total}
    cells.insert(3, ", ".join(f"{program} {1e6 * costly[program] / result.count:,.0f}" for program in sorted(costly)))
    aim = f"{'met' if result.aim.holds else '**missed**'}: {result.aim.what}" if result.aim else ""
    return [result.name, f"{result.rate:,.1f}", *cells, aim]


def _ratio(result: Result) -> list[str]:
    if not result.rate_ratio:
        return []
    return [
        f"{result.rate_ratio:.1f} times the rate of `{result.usual}`, with {result.cpu_ratio:.1f} times less CPU each"
    ]
