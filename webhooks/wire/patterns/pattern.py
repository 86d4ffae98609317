"""Compile a pattern once, strictly; matching events then never raises."""

import json
from typing import Any, NoReturn

from webhooks.wire.patterns.arguments import InvalidPattern
from webhooks.wire.patterns.branches import PatternBranch, compile_branches
from webhooks.wire.patterns.explanation import PatternMismatch, explain
from webhooks.wire.patterns.matching import compile_matcher

__all__ = ["Pattern"]


class Pattern:
    """An event pattern, compiled.

    ``pattern`` is the pattern as an object, or as JSON text. Of a name that stands twice in one object the last
    counts, as in any JSON parser. Raises InvalidPattern, which names the place. ``branches`` are the ways to satisfy
    it, for those who look at many patterns together.
    """

    __slots__ = ("__weakref__", "_matchers", "branches")

    def __init__(self, pattern: dict[str, Any] | str) -> None:
        self.branches: list[PatternBranch] = compile_branches(_parsed(pattern) if isinstance(pattern, str) else pattern)
        self._matchers = tuple(compile_matcher(branch) for branch in self.branches)

    def matches(self, event: dict[str, Any]) -> bool:
        """Does the pattern match this event? Never raises for anything JSON can say."""
        if isinstance(event, dict):
            for judge in self._matchers:
                if judge(event):
                    return True
        return False

    def explain(self, event: dict[str, Any]) -> list[PatternMismatch]:
        """Why the event does not match: the mismatches of the nearest branch, or nothing if it does match."""
        return [] if self.matches(event) else explain(self.branches, event)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_double)
    except InvalidPattern:
        raise
    except RecursionError:
        raise InvalidPattern("", "nested too deeply") from None
    except ValueError as error:
        raise InvalidPattern("", f"not JSON: {error}") from error


def _no_constant(name: str) -> NoReturn:
    raise InvalidPattern("", f"{name} is no JSON number (RFC 8259, section 6)")


def _double(text: str) -> float:
    """A fraction as a double. One too small for a double would silently become zero, so it is refused."""
    value = float(text)
    if value == 0 and text.lower().partition("e")[0].strip("-0."):
        raise InvalidPattern("", f"{text} is too small for a double")
    return value
