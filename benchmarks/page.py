"""The report as one HTML page that needs nothing else: the table, the charts, and what was checked.

Where chromium or Chrome is installed, ``report.png`` is a picture of it.
"""

import shutil
import subprocess
from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from benchmarks.charts import lines, shares
from benchmarks.figures import Row
from benchmarks.report import Facts
from benchmarks.screen import shown_latency, shown_times

__all__ = ["write"]

STYLE = (Path(__file__).parent / "page.css").read_text()
HEADINGS = {
    "per second": "",
    "p50 ms": "",
    "p95 ms": "",
    "p99 ms": "",
    "CPU ms": "per 1,000",
    "memory": "peak, MiB",
    "SQL": "statements each",
    "WAL": "bytes each",
    "× usual": "rate / CPU",
    "took": "seconds",
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, PAINT_WITHIN = 1280, 60  # pixels, seconds


def write(directory: Path, facts: Facts, rows: Sequence[Row]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    parts = [_head(facts, rows), _table(rows), *_bars(rows), *_curves(rows), _checks(rows)]
    title = f'<meta charset="utf-8"><title>Waypost, measured</title><style>{STYLE}</style>'
    path = directory / "report.html"
    path.write_text(
        f'<!doctype html><html lang="en"><head>{title}</head><body>{"".join(parts)}</body></html>\n', encoding="utf-8"
    )
    _paint(path, directory / "report.png", _height(rows))


def _height(rows: Sequence[Row]) -> int:
    """Of the whole page, about, in pixels."""
    checks, notes = (
        sum(len(kept) for kept in them) for them in ([row.checks for row in rows], [row.notes for row in rows])
    )
    return 620 + 120 * len(rows) + 22 * checks + 20 * notes + 160 * len(_charts(rows))


def _paint(page: Path, picture: Path, height: int) -> None:
    """Only if there is a browser: the page is the report."""
    picture.unlink(missing_ok=True)
    if browser := next(filter(None, map(shutil.which, BROWSERS)), None):
        how = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={WIDTH},{height}"]
        command = [browser, *how, f"--screenshot={picture}", page.as_uri()]
        try:
            subprocess.run(command, capture_output=True, timeout=PAINT_WITHIN)
        except subprocess.TimeoutExpired:
            pass


def _head(facts: Facts, rows: Sequence[Row]) -> str:
    aims = [row.aim for row in rows if row.aim]
    failed = sum(not row.holds for row in rows)
    words = [
        f"<b>{sum(aim.met for aim in aims)} of {len(aims)}</b> aims met",
        f'<b class="failed">{failed}</b> of {len(rows)} rows failed' if failed else f"<b>all {len(rows)}</b> rows hold",
    ]
    words += [f"<b>{row.times[0]:,.0f} times</b> the usual way" for row in rows if row.times and row.name == "drain"]
    told = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    return f"<h1>Waypost, measured</h1><p class=lead>{' · '.join(words)}</p><dl>{told}</dl>"


def _table(rows: Sequence[Row]) -> str:
    cells = "".join(f"<th>{name}<small>{unit}</small></th>" for name, unit in HEADINGS.items())
    return (
        f"<table class=rows><thead><tr><th>row</th>{cells}<th>aim</th></tr></thead>{''.join(map(_line, rows))}</table>"
    )


def _line(row: Row) -> str:
    cells = [
        f"<b>{row.rate:,.1f}</b>" if row.count else "",
        *shown_latency(row),
        *_costs(row),
        shown_times(row),
        f"{row.took:,.0f}",
    ]
    aim = "" if row.aim is None else _pill("met" if row.aim.met else "missed")
    if not row.holds:
        aim = _pill("failed")
    numbers = "".join(f"<td>{cell}</td>" for cell in cells)
    first = f"<tr><th scope=row>{escape(row.title)}</th>{numbers}<td>{aim}</td></tr>"
    told = [row.setting, *([f"aim: {row.aim.text}"] if row.aim else []), *row.notes]
    told += [f"failed: {check.what}: {check.found}" for check in row.checks if not check.holds]
    more = "<br>".join(escape(text) for text in told if text)
    return f"<tbody>{first}<tr class=told><td colspan={len(HEADINGS) + 2}>{more}</td></tr></tbody>"


def _costs(row: Row) -> list[str]:
    """Nothing for what was not looked at."""
    if not row.cost.cpu:
        return [""] * 4
    each = f"{row.statements_each:.3f}", f"{row.wal_each:,.0f}"
    return [f"{row.cpu_ms_per_1000:,.0f}", f"{row.memory_mib:,.0f}", *each]


def _pill(word: str) -> str:
    return f'<span class="pill {word}">{word}</span>'


def _bars(rows: Sequence[Row]) -> list[str]:
    usable = [row for row in rows if row.count > 1 and row.cost.cpu]
    cpu = [(row.name, {name: 1e6 * used / row.count for name, used in row.cost.cpu.items()}) for row in usable]
    steps = [(row.name, row.steps) for row in usable if row.steps]
    return [
        _figure("Where the CPU goes, by program; at the right ms for 1,000", shares(cpu, "ms")),
        _figure("Where the database server's time goes, by statement; at the right us for one", shares(steps, "us")),
    ]


def _charts(rows: Sequence[Row]) -> list[str]:
    curves = [curve for row in rows for curve in row.curves]
    drawn = [(chart, lines(list(ones))) for chart, ones in groupby(curves, key=lambda curve: curve.chart)]
    return [_figure(chart, svg) for chart, svg in drawn if svg]


def _curves(rows: Sequence[Row]) -> list[str]:
    figures = _charts(rows)
    return ["<h2>Over time</h2><div class=two>", *figures, "</div>"] if figures else []


def _figure(caption: str, drawn: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{drawn}</figure>" if drawn else ""


def _checks(rows: Sequence[Row]) -> str:
    told = "".join(
        f"<tr><th scope=row>{escape(row.name)}</th><td>{'<br>'.join(_check(row))}</td></tr>"
        for row in rows
        if row.checks
    )
    return f"<h2>What was checked</h2><table class=checks>{told}</table>"


def _check(row: Row) -> list[str]:
    return [
        f"{'✓' if check.holds else '<span class=failed>✗</span>'} {escape(check.what)} <small>{escape(check.found)}</small>"
        for check in row.checks
    ]
