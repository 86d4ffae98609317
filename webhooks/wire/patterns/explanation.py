"""Explain why an event does not match: the fields that do not match, else those that do not match together.

Of several branches the one with the fewest mismatches is explained. For dry runs, not for the hot path: each field is
compiled again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

from webhooks.wire.patterns.branches import FieldPath, PatternBranch
from webhooks.wire.patterns.fields import FieldMatcher
from webhooks.wire.patterns.matching import compile_matcher, scalars_at

MAX_SHOWN = 10  # values of the event in one mismatch


@dataclass(frozen=True, slots=True)
class PatternMismatch:
    """One reason why an event does not match."""

    path: str
    """The field, its steps joined by dots."""
    expected: tuple[Any, ...]
    """The list in the pattern."""
    found: tuple[Any, ...]
    """Up to ten of the event's values."""
    reason: str
    """The mismatch as a sentence."""


def explain(branches: Sequence[PatternBranch], event: Any) -> list[PatternMismatch]:
    """Return the mismatches of the branch with the fewest; empty if the event matches."""
    if not isinstance(event, dict):
        return [PatternMismatch("", (), (), "an event is an object")]
    return min((_branch_mismatches(branch, event) for branch in branches), key=len)


def _branch_mismatches(branch: PatternBranch, event: dict[str, Any]) -> list[PatternMismatch]:
    failed = [
        _field_mismatch(path, matcher, event)
        for path, matcher in branch.items()
        if not compile_matcher({path: matcher})(event)
    ]
    return failed or _group_mismatches(branch, event)


def _field_mismatch(path: FieldPath, matcher: FieldMatcher, event: dict[str, Any]) -> PatternMismatch:
    found = tuple(islice(scalars_at(event, path), MAX_SHOWN))
    if not found:
        reason = "the event has no value here"
    elif all(value == {"exists": False} for value in matcher.values):
        reason = "the event has a value here, which must be absent"
    elif len(found) == 1:
        reason = "the event has another value here"
    else:
        reason = "none of the event's values is accepted"
    return PatternMismatch(".".join(path), matcher.values, found, reason)


def _group_mismatches(branch: PatternBranch, event: dict[str, Any]) -> list[PatternMismatch]:
    """Return the groups of fields of which each matches, but in different elements of a list."""
    groups: dict[str, PatternBranch] = {}
    for path, matcher in branch.items():
        groups.setdefault(path[0], {})[path] = matcher
    failed = [list(group) for group in groups.values() if not compile_matcher(group)(event)]
    return [
        PatternMismatch(
            ".".join(_common_path(paths)),
            (),
            (),
            f"no single element of a list here satisfies all of {', '.join(map('.'.join, paths))}",
        )
        for paths in failed
    ]


def _common_path(paths: list[FieldPath]) -> FieldPath:
    steps = takewhile(lambda step: len(set(step)) == 1, zip(*paths, strict=False))
    return tuple(step[0] for step in steps)
