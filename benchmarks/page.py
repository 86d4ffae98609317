"""The report as one HTML page that needs nothing else: the table, the charts, and what was checked."""

from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from benchmarks.charts import bars, lines
from benchmarks.figures import Row
from benchmarks.screen import shown_latency

__all__ = ["write"]

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; color: #1d2433 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100%; font-size: .85rem } th, td { padding: .3rem .5rem; text-align: right }
th { border-bottom: 2px solid #c9d1dd; vertical-align: bottom } td { border-bottom: 1px solid #e6eaf0 }
td:first-child, th:first-child, td.w { text-align: left }
td small { color: #5b6577 } .met { color: #1a7f37 } .missed { color: #9a6700 } .failed { color: #cf222e; font-weight: 600 }
figure { margin: 1.2rem 0 } figcaption { font-weight: 600 } svg { width: 100%; max-width: 52rem; height: auto }
svg text { font: 11px system-ui, sans-serif; fill: #465064 } svg .g { stroke: #e6eaf0 }
"""
HEADINGS = [
    "",
    "per second",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "CPU ms per 1,000",
    "peak MiB",
    "SQL each",
    "WAL bytes each",
]


def write(directory: Path, facts: dict[str, str], rows: Sequence[Row]) -> None:
    parts = ["<h1>Waypost, measured</h1>", _facts(facts), _table(rows), *_bars(rows), *_lines(rows), _checks(rows)]
    body = "\n".join(parts)
    head = f'<meta charset="utf-8"><title>Waypost, measured</title><style>{STYLE}</style>'
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.html").write_text(
        f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'
    )


def _facts(facts: dict[str, str]) -> str:
    return "<p>" + "<br>".join(f"{escape(name)}: {escape(value)}" for name, value in facts.items()) + "</p>"


def _table(rows: Sequence[Row]) -> str:
    head = "".join(f"<th>{name}</th>" for name in [*HEADINGS, "aim", "check"])
    return f"<table><tr>{head}</tr>{''.join(_line(row) for row in rows)}</table>"


def _line(row: Row) -> str:
    notes = "".join(f"<br><small>{escape(text)}</small>" for text in (row.setting, *row.notes) if text)
    cells = [
        f"{row.rate:,.1f}",
        *shown_latency(row),
        f"{row.cpu_ms_per_1000:,.0f}",
        f"{row.memory_mib:,.0f}",
        f"{row.statements_each:.3f}",
        f"{row.wal_each:,.0f}",
    ]
    aim = "" if row.aim is None else _marked("met" if row.aim.met else "missed", row.aim.text)
    check = "ok" if row.holds else '<span class="failed">FAILED</span>'
    numbers = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><td>{escape(row.title)}{notes}</td>{numbers}<td class="w">{aim}</td><td>{check}</td></tr>'


def _marked(word: str, text: str) -> str:
    return f'<span class="{word}">{word}</span> <small>{escape(text)}</small>'


def _bars(rows: Sequence[Row]) -> list[str]:
    usable = [row for row in rows if row.count > 1 and row.cost.cpu]
    cpu = [(row.name, {name: 1e6 * used / row.count for name, used in row.cost.cpu.items()}) for row in usable]
    steps = [(row.name, row.steps) for row in usable if row.steps]
    return [
        _figure("Where the CPU goes, by program: ms for 1,000", bars(cpu, "ms")),
        _figure("Where the database server's time goes, by statement: us for one", bars(steps, "us")),
    ]


def _lines(rows: Sequence[Row]) -> list[str]:
    curves = [curve for row in rows for curve in row.curves]
    return [_figure(chart, lines(list(ones))) for chart, ones in groupby(curves, key=lambda curve: curve.chart)]


def _figure(caption: str, drawn: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{drawn}</figure>" if drawn else ""


def _checks(rows: Sequence[Row]) -> str:
    lines_ = "".join(
        f'<tr><td>{escape(row.title)}</td><td class="w">{escape(check.what)}</td><td class="w">{escape(check.found)}</td>'
        f"<td>{'ok' if check.holds else '<span class=failed>FAILED</span>'}</td></tr>"
        for row in rows
        for check in row.checks
    )
    return f"<h2>What was checked</h2><table>{lines_}</table>"
