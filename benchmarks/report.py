"""Write the results as a Markdown table and as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.result import Figure, Result

HEAD = ["row", "figure", "aim", "ours", "usual way", "times better"]
SMALLEST_SHARE = 0.05  # of the CPU, for a program to be named


def write(directory: Path, facts: Mapping[str, str], results: Sequence[Result]) -> None:
    """Write `report.md` and `report.json`; the latter is made to compare two runs with a program."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.md").write_text(markdown(facts, results))
    rows = [_as_json(result) for result in results]
    (directory / "report.json").write_text(json.dumps({"machine": dict(facts), "rows": rows}, indent=2) + "\n")


def _as_json(result: Result) -> dict[str, object]:
    figures = {name: figure._asdict() for name, figure in result.figures.items()}
    computed = {name: getattr(result, name) for name in ("is_valid", "cpu_ms_per_1000", "wal_bytes_each")}
    return asdict(result) | computed | {"figures": figures, "usual": result.usual and _as_json(result.usual)}


def markdown(facts: Mapping[str, str], results: Sequence[Result]) -> str:
    """Return the facts, a table with a line for each figure, what single rows found, and the failed checks."""
    table = [HEAD, ["---", "---", "---:", "---:", "---:", "---:"]]
    table += [line for result in results for line in _lines(result)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEAD))]
    lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in table]
    notes = [f"- {result.name}: {note}" for result in results for note in _notes(result)]
    where = "; ".join(f"{name} {value}" for name, value in facts.items())
    return "\n".join([f"Measured: {where}.", "", *lines, "", *notes, *_failures(results), ""])


def _lines(result: Result) -> list[list[str]]:
    """Return the cells of a row: a line for each figure, with the name of the row in the first."""
    if not result.is_valid:
        return [[result.name, "**failed**", "", "", "", ""]]
    usual = result.usual.figures if result.usual else {}
    lines = [_line(name, figure, result.aims.get(name), usual.get(name)) for name, figure in result.figures.items()]
    return [[result.name if number == 0 else "", *line] for number, line in enumerate(lines)]


def _line(name: str, figure: Figure, aim: float | None, usual: Figure | None) -> list[str]:
    ours = number(figure.value) if aim is None or figure.meets(aim) else f"**{number(figure.value)}**"
    times = figure.times_better_than(usual) if usual else 0.0
    return [
        f"{name}, {figure.unit}",
        "" if aim is None else number(aim),
        ours,
        number(usual.value) if usual else "",
        number(times) if times else "",
    ]


def number(value: float) -> str:
    """Return a number with as many digits as it is worth."""
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _notes(result: Result) -> Iterator[str]:
    if result.is_valid and result.cost.cpu:
        total = sum(result.cost.cpu.values())
        costly = {program: used for program, used in result.cost.cpu.items() if used > SMALLEST_SHARE * total}
        shares = ", ".join(f"{program} {1e6 * costly[program] / result.count:,.0f}" for program in sorted(costly))
        yield f"CPU, ms per 1,000: {shares}; {result.wal_bytes_each:,.0f} bytes of log each"
    if result.is_valid and result.aim:
        yield f"aim {'met' if result.aim.holds else '**missed**'}: {result.aim.what}"
    yield from result.notes
    if result.usual:
        yield from (f"the usual way: {note}" for note in result.usual.notes)


def _failures(results: Sequence[Result]) -> list[str]:
    ours = [f"- {result.name} failed: {failure}" for result in results for failure in result.failures]
    usual = [(result.name, result.usual) for result in results if result.usual]
    return ours + [f"- {name}, the usual way, failed: {each}" for name, theirs in usual for each in theirs.failures]
