"""Write results as text, and as the table in docs/why/isolation.md."""

from collections.abc import Sequence

from tests.isolation.measurement import Activity, Result

SHOWN = ("publish", "read", "health", "receive", "receive 300 KB", "handled", "test delivery", "new endpoint",
         "first key", "delivered", "delivered by name")  # fmt: skip


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
    """Return the Markdown table: p50 / p99 in milliseconds, with the attacker; failures in bold."""
    head = ["#", "attack", *SHOWN, "MB", "aim"]
    rows = [head, ["---"] * len(head)]
    for it in sorted(results, key=lambda result: result.number):
        without = [_worst_cell(it.without.get(name)) for name in SHOWN]
        beside = [_worst_cell(it.beside.get(name)) for name in SHOWN]
        cells = [f"{before} → {after}" for before, after in zip(without, beside, strict=True)]
        rows.append([str(it.number), it.name, *cells, f"{it.memory:+,.0f}", _verdict(it)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _verdict(result: Result) -> str:
    if result.is_met:
        return "met"
    reasons = [*result.breaches, *(["failures"] if result.failures else []), *(["slow"] if result.slow else [])]
    return f"**missed**: {', '.join(reasons)}"


def _worst_cell(activity: Activity | None) -> str:
    if activity is None:
        return ""
    failures = f" **{activity.failures}/{activity.count} failed**" if activity.failures else ""
    return f"{activity.p50:,.0f}/{activity.p99:,.0f}{failures}"


def _times(activity: Activity) -> str:
    return f"p50 {activity.p50:,.0f} p99 {activity.p99:,.0f} ms"
