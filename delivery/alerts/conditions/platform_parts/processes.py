"""Find programs that write no heartbeats, and roles that no machine runs."""

from datetime import timedelta

from delivery.load.processes import LABELS, ProcessState, processes
from webhooks.kit.conditions.condition import Condition, Finding, Question
from webhooks.kit.jobs.duration import duration


def find(question: Question) -> list[Finding]:
    """Return a finding for each program that is silent, and for each role that no program has."""
    found = processes()
    silent = [_silent(it) for it in found.silent]
    missing = [
        Finding("platform", f"no {role}", LABELS[role], f"No machine runs this: {LABELS[role].lower()}.")
        for role in found.missing
    ]
    return [*silent, *missing][: question.limit]


def _silent(state: ProcessState) -> Finding:
    row = state.heartbeat
    text = (
        f"{LABELS[row.role]} {row.name} on {row.machine} (process {row.pid}) has been silent for "
        f"{duration(timedelta(seconds=state.silent_seconds))}: it was killed, hangs, or cannot reach the database."
    )
    subject = f"{row.role} {row.name} on {row.machine}"[:256]
    return Finding("platform", subject, row.name, text, since=state.since, value=round(state.silent_seconds, 1))


CONDITION = Condition(
    "platform_processes",
    "Process silent",
    "A web server, worker, drain, reader or the schedule shows no sign of life, or no machine runs one.",
    find,
    every=15.0,
    is_for_operators=True,
)
