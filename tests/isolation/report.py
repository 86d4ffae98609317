"""Write results as text, and as the table in docs/why/isolation.md."""

from collections.abc import Sequence

from tests.isolation.measurement import Activity, Result

SHOWN = ("publish", "read", "receive", "delivered")  # in columns of their own


def text(result: Result) -> str:
    """Return the measurement of one attack, one activity a line."""
    lines = [f"{result.number}. {result.name}: {'met' if result.is_met else 'MISSED'}"]
    lines += [f"   {'':<18}{'without':>24}{'with the attacker':>28}"]
    for name, it in result.beside.items():
        before = result.without.get(name, Activity.of([]))
        figures = f"{_times(before):>24}{_times(it):>24}"
        lines.append(f"   {name:<18}{figures}  {f'{it.failures}/{it.count} failed: {it.problem}' * bool(it.failures)}")
    lines += [f"   memory {result.memory:+,.0f} MB; attacker: {result.requests}"]
    return "\n".join([*lines, *(f"   breach: {it}" for it in result.breaches)])


def table(results: Sequence[Result]) -> str:
    """Return the Markdown table: p50 / p99 in milliseconds, alone and beside the attacker."""
    head = ["#", "attack", *SHOWN, "slowest of the others", "failed", "memory", "aim"]
    rows = [head, ["---"] * len(head)]
    for it in sorted(results, key=lambda result: result.number):
        cells = [f"{_cell(it.without.get(name))} → {_cell(it.beside.get(name))}" for name in SHOWN]
        count = sum(activity.count for activity in it.beside.values())
        rows.append(
            [
                str(it.number),
                it.name,
                *cells,
                _slowest(it),
                f"{it.failures} of {count}",
                f"{it.memory:+,.0f} MB",
                _verdict(it),
            ]
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _slowest(result: Result) -> str:
    others = {name: it for name, it in result.beside.items() if name not in SHOWN}
    if not others:
        return ""
    name = max(others, key=lambda name: others[name].p99)
    return f"{name}: {_cell(result.without.get(name))} → {_cell(others[name])}"


def _verdict(result: Result) -> str:
    if result.is_met:
        return "met"
    reasons = [*result.breaches, *(["failures"] if result.failures else []), *(["slow"] if result.slow else [])]
    return f"**missed**: {', '.join(reasons)}"


def _cell(activity: Activity | None) -> str:
    return "" if activity is None else f"{activity.p50:,.0f}/{activity.p99:,.0f}"


def _times(activity: Activity) -> str:
    return f"p50 {activity.p50:,.0f} p99 {activity.p99:,.0f} ms"
