"""The figures as a table in Markdown, to be put into a page such as ``docs/why/speed.md``."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Row
from benchmarks.report import Facts
from benchmarks.screen import shown_latency, shown_times

__all__ = ["write"]

HEAD = [
    "| row | per second | p50 / p95 / p99 ms | CPU ms /1000 | peak MiB | SQL each | WAL B each | x usual, rate / CPU | aim |",
    "|---|---:|---:|---:|---:|---:|---:|---:|---|",
]


def write(directory: Path, facts: Facts, rows: Sequence[Row]) -> None:
    where = "; ".join(f"{name} {value}" for name, value in facts.items())
    failed = [f"- {row.name}: {check.what}: {check.found}" for row in rows for check in row.checks if not check.holds]
    notes = [f"- {row.name}: {note}" for row in rows for note in row.notes]
    lines = [f"Measured: {where}.", "", *HEAD, *map(_line, rows), "", *_listed("Notes", notes)]
    (directory / "report.md").write_text("\n".join([*lines, *_listed("Failed", failed)]))


def _listed(title: str, lines: list[str]) -> list[str]:
    return [f"{title}:", "", *lines, ""] if lines else []


def _line(row: Row) -> str:
    if not row.holds:
        return f"| {row.name} | failed | | | | | | | |"
    aim = "" if row.aim is None else f"{'met' if row.aim.met else '**missed**'}: {row.aim.text}"
    cells = [
        row.name,
        f"{row.rate:,.1f}",
        " / ".join(filter(None, shown_latency(row))),
        f"{row.cpu_ms_per_1000:,.0f}",
        f"{row.memory_mib:,.0f}",
        f"{row.statements_each:.3f}",
        f"{row.wal_each:,.0f}",
        shown_times(row),
        aim,
    ]
    return f"| {' | '.join(cells)} |"
