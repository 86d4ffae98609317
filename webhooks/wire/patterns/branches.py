"""Compile a pattern into branches: sets of fields that must all match. One matching branch is enough.

``$or`` is multiplied out: each of its objects, together with the fields around it, is a branch. A field inside ``$or``
replaces the same field outside, in its branch. Dots in names separate steps of the path, so ``{"a.b": [1]}`` and
``{"a": {"b": [1]}}`` are the same pattern.

All limits are checked here, so that matching needs none: depth, number of branches (1,000, as in EventBridge), and the
work for one event.
"""

from dataclasses import dataclass, field
from typing import Any

from webhooks.wire.patterns.arguments import InvalidPattern
from webhooks.wire.patterns.fields import OPERATORS, FieldMatcher, compile_field
from webhooks.wire.patterns.operators.numeric import COMPARATORS

FieldPath = tuple[str, ...]
PatternBranch = dict[FieldPath, FieldMatcher]

MAX_DEPTH = 64
MAX_BRANCHES = 1_000
MAX_COST = 250_000  # comparisons for one event, over all branches; see _cost

# Names that cannot be fields inside $or: operators, of EventBridge and event-ruler too.
RESERVED = frozenset(OPERATORS) | frozenset(COMPARATORS) | {
    "regex", "not-wildcard", "not-equals-ignore-case", "date-after", "date-on-or-after", "date-before",
    "date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range",
}  # fmt: skip


def compile_branches(pattern: Any) -> list[PatternBranch]:
    """Compile a pattern. Raises InvalidPattern."""
    return _multiply([{}], pattern, (), "", in_or=False)


def _multiply(
    branches: list[PatternBranch], value: Any, path: FieldPath, at: str, *, in_or: bool
) -> list[PatternBranch]:
    """Return the branches, each with the fields of ``value`` added.

    Fields are added before ``$or``, in any order of the keys, so that those inside ``$or`` replace them.
    """
    contents = _ObjectContents()
    _collect(contents, value, path, at, in_or=in_or)
    branches = [branch | contents.fields for branch in branches]
    _Budget(at).spend(branches)
    for objects, or_path, pointer in contents.alternatives:
        budget = _Budget(pointer)
        multiplied: list[PatternBranch] = []
        for index, alternative in enumerate(objects):
            added = _multiply(branches, alternative, or_path, f"{pointer}/{index}", in_or=True)
            budget.spend(added)
            multiplied += added
        branches = multiplied
    return branches


@dataclass
class _ObjectContents:
    """The fields of an object, and the ``$or`` lists in it at any depth with their paths and JSON pointers."""

    fields: PatternBranch = field(default_factory=dict)
    alternatives: list[tuple[list[Any], FieldPath, str]] = field(default_factory=list)


def _collect(contents: _ObjectContents, value: Any, path: FieldPath, at: str, *, in_or: bool) -> None:
    if not isinstance(value, dict):
        raise InvalidPattern(at, "write an object that maps names to lists or to further objects")
    if not value:
        raise InvalidPattern(at, "an object must not be empty; name at least one field")
    for name, inner in value.items():
        if not isinstance(name, str):
            raise InvalidPattern(at, "names must be strings")
        pointer = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
        if name == "$or":
            contents.alternatives.append((_alternatives(inner, pointer), path, pointer))
        else:
            if in_or and name in RESERVED:
                raise InvalidPattern(pointer, f"{name!r} is an operator and cannot name a field inside $or")
            _collect_named(contents, inner, (*path, *name.split(".")), pointer, in_or=in_or)


def _collect_named(contents: _ObjectContents, inner: Any, path: FieldPath, pointer: str, *, in_or: bool) -> None:
    if len(path) > MAX_DEPTH:
        raise InvalidPattern(pointer, f"more than {MAX_DEPTH} levels deep")
    if isinstance(inner, list):
        contents.fields[path] = compile_field(inner, pointer)
    elif isinstance(inner, dict):
        _collect(contents, inner, path, pointer, in_or=in_or)
    else:
        raise InvalidPattern(pointer, "write the accepted values as an array, also a single one")


def _alternatives(value: Any, pointer: str) -> list[Any]:
    if not isinstance(value, list) or len(value) < 2:
        raise InvalidPattern(pointer, "takes an array of two or more objects")
    if pointer.count("/$or/") > MAX_DEPTH:
        raise InvalidPattern(pointer, f"more than {MAX_DEPTH} levels deep")
    return value


@dataclass
class _Budget:
    """Limits for the branches of one place, checked while they are multiplied, before they use much memory."""

    at: str
    branches: int = 0
    cost: int = 0

    def spend(self, branches: list[PatternBranch]) -> None:
        self.branches += len(branches)
        if self.branches > MAX_BRANCHES:
            raise InvalidPattern(self.at, f"more than {MAX_BRANCHES} combinations; split the pattern in two")
        self.cost += sum(_cost(path, matcher) for branch in branches for path, matcher in branch.items())
        if self.cost > MAX_COST:
            raise InvalidPattern(self.at, "too much work for one event; use fewer stars, operators or branches")


def _cost(path: FieldPath, matcher: FieldMatcher) -> int:
    """Return the comparisons for one field: its operators, and the dotted spellings of its path in an event."""
    return 1 + len(path) * len(path) // 2 + matcher.cost
