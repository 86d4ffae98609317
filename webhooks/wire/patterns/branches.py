"""A pattern is one or more branches, and a branch is a set of fields that must all hold.

``$or`` is multiplied out: each of its objects, together with the fields around it, is a branch of its own. A
field inside ``$or`` takes the place of the same field outside, in its branch. Dots in names are steps of the
path, so ``{"a.b": [1]}`` and ``{"a": {"b": [1]}}`` are one pattern.

What a pattern may cost is settled here, so that matching needs no limits: how deep it goes, how many branches
it has (1,000, as in EventBridge), and the work it can cause for one event.
"""

from dataclasses import dataclass, field
from typing import Any

from webhooks.wire.patterns.arguments import InvalidPattern
from webhooks.wire.patterns.fields import OPERATORS, FieldMatcher, compile_field
from webhooks.wire.patterns.numeric import COMPARATORS

__all__ = ["FieldPath", "PatternBranch", "compile_branches"]

FieldPath = tuple[str, ...]
PatternBranch = dict[FieldPath, FieldMatcher]

MAX_DEPTH = 64
MAX_BRANCHES = 1_000
MAX_COST = 250_000  # over all branches, in units of about one comparison; see _cost

RESERVED = frozenset(OPERATORS) | frozenset(COMPARATORS) | {
    "regex", "not-wildcard", "not-equals-ignore-case", "date-after", "date-on-or-after", "date-before",
    "date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range",
}  # fmt: skip


def compile_branches(pattern: Any) -> list[PatternBranch]:
    """All ways to satisfy this pattern. Raises InvalidPattern."""
    return _multiply([{}], pattern, (), "", in_or=False)


def _multiply(found: list[PatternBranch], value: Any, path: FieldPath, at: str, *, in_or: bool) -> list[PatternBranch]:
    """The branches found so far, each with what ``value`` adds. Fields go first, whatever the order of the
    keys, so that those inside ``$or`` have the last word."""
    contents = _Contents()
    _collect(contents, value, path, at, in_or=in_or)
    found = [branch | contents.fields for branch in found]
    _Budget(at).spend(found)
    for objects, where, pointer in contents.alternatives:
        budget = _Budget(pointer)
        multiplied: list[PatternBranch] = []
        for index, alternative in enumerate(objects):
            more = _multiply(found, alternative, where, f"{pointer}/{index}", in_or=True)
            budget.spend(more)
            multiplied += more
        found = multiplied
    return found


@dataclass
class _Contents:
    """What an object says: its fields, and the alternatives that stand in it at any depth."""

    fields: PatternBranch = field(default_factory=dict)
    alternatives: list[tuple[list[Any], FieldPath, str]] = field(default_factory=list)


def _collect(contents: _Contents, value: Any, path: FieldPath, at: str, *, in_or: bool) -> None:
    if not isinstance(value, dict):
        raise InvalidPattern(at, "write an object that maps names to lists or to further objects")
    if not value:
        raise InvalidPattern(at, "an empty object says nothing; name at least one field")
    for name, inner in value.items():
        if not isinstance(name, str):
            raise InvalidPattern(at, "names are strings")
        here = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
        if name == "$or":
            contents.alternatives.append((_alternatives(inner, here), path, here))
        else:
            if in_or and name in RESERVED:
                raise InvalidPattern(here, f"{name!r} is an operator and cannot name a field inside $or")
            _collect_named(contents, inner, (*path, *name.split(".")), here, in_or=in_or)


def _collect_named(contents: _Contents, inner: Any, path: FieldPath, here: str, *, in_or: bool) -> None:
    if len(path) > MAX_DEPTH:
        raise InvalidPattern(here, f"more than {MAX_DEPTH} levels deep")
    if isinstance(inner, list):
        contents.fields[path] = compile_field(inner, here)
    elif isinstance(inner, dict):
        _collect(contents, inner, path, here, in_or=in_or)
    else:
        raise InvalidPattern(here, "wanted values stand in a list, even a single one")


def _alternatives(value: Any, here: str) -> list[Any]:
    if not isinstance(value, list) or len(value) < 2:
        raise InvalidPattern(here, "takes a list of two or more objects")
    if here.count("/$or/") > MAX_DEPTH:
        raise InvalidPattern(here, f"more than {MAX_DEPTH} levels deep")
    return value


@dataclass
class _Budget:
    """Refuses a pattern while it grows, before it has grown large."""

    at: str
    branches: int = 0
    cost: int = 0

    def spend(self, found: list[PatternBranch]) -> None:
        self.branches += len(found)
        if self.branches > MAX_BRANCHES:
            raise InvalidPattern(self.at, f"more than {MAX_BRANCHES} combinations; split the pattern in two")
        self.cost += sum(_cost(path, wanted) for branch in found for path, wanted in branch.items())
        if self.cost > MAX_COST:
            raise InvalidPattern(self.at, "too much work for one event; use fewer stars, operators or branches")


def _cost(path: FieldPath, wanted: FieldMatcher) -> int:
    """A field can be spelled with dots in as many ways as its steps have pairs; an operator is a question."""
    return 1 + len(path) * len(path) // 2 + wanted.cost
