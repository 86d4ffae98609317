"""Detect that the database is slow."""

import time
from math import inf

from webhooks.kit.conditions.condition import Condition, Finding, Question
from webhooks.kit.kinds.setting import Setting
from webhooks.kit.sql import run

STATEMENTS = 3  # of which the fastest counts: one may have waited for the processor
ABOVE = Setting(
    "above_ms",
    "Above (ms)",
    "Milliseconds that a statement without work may take.",
    type="number",
    default=200,
    minimum=1,
    maximum=60_000,
    example="200",
)


def find(question: Question) -> list[Finding]:
    """Return a finding if even statements that do nothing take long."""
    fastest, limit = inf, question.settings[ABOVE.name]
    for _ in range(STATEMENTS):
        fastest = min(fastest, round(_milliseconds(), 1))
        if fastest <= limit:
            return []
    text = f"A statement without work takes {fastest:g} ms; the limit is {limit} ms."
    return [Finding("platform", "database", "Database", text, value=fastest)]


def _milliseconds() -> float:
    started = time.monotonic()
    run("SELECT 1", {})
    return 1000 * (time.monotonic() - started)


CONDITION = Condition(
    "platform_database",
    "Database slow",
    "Statements take long although they do nothing: the database or the network to it is overloaded.",
    find,
    (ABOVE,),
    every=30.0,
    minutes=5,
    is_for_operators=True,
)
