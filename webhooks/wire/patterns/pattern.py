"""Compile a pattern once, strictly; matching events then never raises."""

import json
from typing import Any, NoReturn

from webhooks.wire.json_numbers import JsonNumber, fraction, integer
from webhooks.wire.patterns.arguments import InvalidPattern
from webhooks.wire.patterns.branches import PatternBranch, compile_branches
from webhooks.wire.patterns.explanation import PatternMismatch, explain
from webhooks.wire.patterns.matching import BranchSet
from webhooks.wire.patterns.outline import PatternOutline, outline
from webhooks.wire.step_budget import UNLIMITED, StepBudget


class Pattern:
    """A compiled event pattern.

    ``pattern`` is an object, or JSON text, in which the last of several equal names counts. Raises InvalidPattern.
    ``branches`` are the alternatives of which one must match; PatternIndex reads them.
    """

    __slots__ = ("__weakref__", "_branch_set", "branches")

    def __init__(self, pattern: dict[str, Any] | str) -> None:
        self.branches: list[PatternBranch] = compile_branches(_parse(pattern) if isinstance(pattern, str) else pattern)
        self._branch_set: BranchSet | None = None  # made for the first event, since some patterns are only checked

    @property
    def key(self) -> "Pattern":
        """Return the pattern itself: it equals no other."""
        return self

    def outline(self, _: StepBudget = UNLIMITED, /) -> PatternOutline:
        """Return what an index needs to know of the pattern."""
        return outline(self.branches)

    def matches(self, event: dict[str, Any], budget: StepBudget | None = None) -> bool:
        """Return whether the pattern matches this event.

        Raises nothing for parsed JSON, except BudgetExceeded if there is a budget.
        """
        if self._branch_set is None:
            self._branch_set = BranchSet(self.branches)
        return self._branch_set.matching(event, None, UNLIMITED if budget is None else budget) != 0

    def explain(self, event: dict[str, Any], budget: StepBudget | None = None) -> list[PatternMismatch]:
        """Return why the event does not match: the mismatches of the closest branch; empty if it matches.

        Raises BudgetExceeded if there is a budget.
        """
        return [] if self.matches(event, budget) else explain(self.branches, event, budget)


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_reject_constant, parse_float=_number, parse_int=integer)
    except InvalidPattern:
        raise
    except RecursionError:
        raise InvalidPattern("", "nested too deeply") from None
    except ValueError as error:
        raise InvalidPattern("", f"not JSON: {error}") from error


def _reject_constant(name: str) -> NoReturn:
    raise InvalidPattern("", f"{name} is no JSON number (RFC 8259 section 6)")


def _number(text: str) -> float | JsonNumber:
    """Parse a fraction exactly. Reject an exponent beyond those of Decimal, as publishing does."""
    try:
        return fraction(text)
    except ValueError as error:
        raise InvalidPattern("", str(error)) from None
