"""Explain why an event does not match: the fields that do not match, else those that do not match together.

Of several branches the one with the fewest mismatches is explained. For dry runs, not for the hot path: the fields are
compiled again, each as a branch of its own, and matched together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

from webhooks.wire.json_numbers import JsonNumber
from webhooks.wire.patterns.branches import FieldPath, PatternBranch
from webhooks.wire.patterns.dotted_names import scalars_at
from webhooks.wire.patterns.fields import FieldMatcher
from webhooks.wire.patterns.matching import BranchSet
from webhooks.wire.step_budget import UNLIMITED, StepBudget

STAR_HINT = '; a * stands for itself here, write {"wildcard": "..."} to match any text'
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


def explain(branches: Sequence[PatternBranch], event: Any, budget: StepBudget | None = None) -> list[PatternMismatch]:
    """Return the mismatches of the branch with the fewest; empty if the event matches. Raises BudgetExceeded."""
    budget = UNLIMITED if budget is None else budget
    if not isinstance(event, dict):
        return [PatternMismatch("", (), (), "an event is an object")]
    fields = [[{path: matcher} for path, matcher in branch.items()] for branch in branches]
    failed = _mismatched(fields, event, budget)
    if not all(failed):
        groups = [_groups(branch) for branch, fields in zip(branches, failed, strict=True) if not fields]
        return min(([_group_mismatch(it) for it in failed] for failed in _mismatched(groups, event, budget)), key=len)
    return [_field_mismatch(*next(iter(it.items())), event, budget) for it in min(failed, key=len)]


def _mismatched(
    parts: list[list[PatternBranch]], event: dict[str, Any], budget: StepBudget
) -> list[list[PatternBranch]]:
    """Return those of the parts of each branch that do not match by themselves."""
    shared = {_key(part): part for each in parts for part in each}
    numbers = {key: number for number, key in enumerate(shared)}
    budget.spend(len(numbers))
    matching = BranchSet(list(shared.values())).matching(event, None, budget)
    return [[part for part in each if not matching >> numbers[_key(part)] & 1] for each in parts]


def _key(part: PatternBranch) -> tuple[tuple[FieldPath, int], ...]:
    return tuple((path, id(matcher)) for path, matcher in part.items())


def _field_mismatch(
    path: FieldPath, matcher: FieldMatcher, event: dict[str, Any], budget: StepBudget
) -> PatternMismatch:
    found = tuple(map(_shown, islice(scalars_at(event, path, budget), MAX_SHOWN)))
    if not found:
        reason = "the event has no value here"
    elif all(value == {"exists": False} for value in matcher.values):
        reason = "the event has a value here, which must be absent"
    elif len(found) == 1:
        reason = "the event has another value here"
    else:
        reason = "none of the event's values is accepted"
    return PatternMismatch(".".join(path), matcher.values, found, reason + (STAR_HINT if _has_stars(matcher) else ""))


def _has_stars(matcher: FieldMatcher) -> bool:
    """Return whether a text outside of ``wildcard`` has a star, which stands for itself."""
    texts = [it for value in matcher.values for it in _texts(value)]
    return any("*" in text for text in texts)


def _texts(value: Any) -> list[str]:
    """Return the strings of an entry of a pattern that are not arguments of ``wildcard``."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for it in value for text in _texts(it)]
    if isinstance(value, dict):
        return [text for name, it in value.items() if name != "wildcard" for text in _texts(it)]
    return []


def _shown(scalar: Any) -> Any:
    """Return a scalar as JSON encoders write it; a number that is kept as it is written is shown as text."""
    return scalar.text if isinstance(scalar, JsonNumber) else scalar


def _groups(branch: PatternBranch) -> list[PatternBranch]:
    """Return the fields of a branch in groups, of which each is below one name of the event."""
    groups: dict[str, PatternBranch] = {}
    for path, matcher in branch.items():
        groups.setdefault(path[0], {})[path] = matcher
    return list(groups.values())


def _group_mismatch(group: PatternBranch) -> PatternMismatch:
    """Describe fields of which each matches, but in different elements of a list."""
    paths = list(group)
    names = ", ".join(map(".".join, paths))
    return PatternMismatch(
        ".".join(_common_path(paths)), (), (), f"no single element of an array here satisfies all of {names}"
    )


def _common_path(paths: list[FieldPath]) -> FieldPath:
    steps = takewhile(lambda step: len(set(step)) == 1, zip(*paths, strict=False))
    return tuple(step[0] for step in steps)
