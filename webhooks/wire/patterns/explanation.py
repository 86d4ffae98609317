"""Explain why an event does not match: the fields that fail alone, then those that fail only together.

Of a pattern with several branches, the one that came closest is explained. This is for people and dry runs:
it compiles as it goes and takes as long as it takes, which is still linear in the event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

from webhooks.wire.patterns.branches import FieldPath, PatternBranch
from webhooks.wire.patterns.fields import FieldMatcher
from webhooks.wire.patterns.matching import compile_matcher, scalars_at

__all__ = ["PatternMismatch", "explain"]

MAX_SHOWN = 10


@dataclass(frozen=True, slots=True)
class PatternMismatch:
    """One reason why an event does not match: ``path`` with dots, what the pattern lists there, up to ten of
    the values the event has there, and the whole as a sentence."""

    path: str
    expected: tuple[Any, ...]
    found: tuple[Any, ...]
    reason: str


def explain(branches: Sequence[PatternBranch], event: Any) -> list[PatternMismatch]:
    """The mismatches of the branch with the fewest; empty if the event matches."""
    if not isinstance(event, dict):
        return [PatternMismatch("", (), (), "an event is an object")]
    return min((_of_branch(branch, event) for branch in branches), key=len)


def _of_branch(branch: PatternBranch, event: dict[str, Any]) -> list[PatternMismatch]:
    alone = [
        _of_field(path, wanted, event) for path, wanted in branch.items() if not compile_matcher({path: wanted})(event)
    ]
    return alone or _of_groups(branch, event)


def _of_field(path: FieldPath, wanted: FieldMatcher, event: dict[str, Any]) -> PatternMismatch:
    found = tuple(islice(scalars_at(event, path), MAX_SHOWN))
    if not found:
        reason = "the event has no value here"
    elif all(value == {"exists": False} for value in wanted.values):
        reason = "the event has a value here, which must be absent"
    else:
        reason = "the event has another value here" if len(found) == 1 else "none of the event's values is wanted"
    return PatternMismatch(".".join(path), wanted.values, found, reason)


def _of_groups(branch: PatternBranch, event: dict[str, Any]) -> list[PatternMismatch]:
    """Fields of which each is satisfied, but by different elements of a list."""
    groups: dict[str, PatternBranch] = {}
    for path, wanted in branch.items():
        groups.setdefault(path[0], {})[path] = wanted
    split = [list(group) for group in groups.values() if not compile_matcher(group)(event)]
    return [
        PatternMismatch(
            ".".join(_common(paths)),
            (),
            (),
            f"no single element of a list here satisfies all of {', '.join(map('.'.join, paths))}",
        )
        for paths in split
    ]


def _common(paths: list[FieldPath]) -> FieldPath:
    steps = takewhile(lambda step: len(set(step)) == 1, zip(*paths, strict=False))
    return tuple(step[0] for step in steps)
