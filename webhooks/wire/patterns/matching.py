"""Match one event with many branches at once: each field must have an accepted value, all in the same list elements.

Where the event has a list, one element must satisfy everything that a branch says below that name; nested lists count
as one list. A field that must be absent must be absent from that same element, or from every element if the branch says
nothing else about the list.

So the result of a branch for one place of an event is: found (an accepted value exists), absent (no value exists, and
none is required), or neither, which is a mismatch. An element with the result absent does not satisfy its list.

The paths of all branches form one tree, and sets of branches are bit masks (masks.py). Each value of an event is looked
at once for all branches, not once for each, and no deeper than the tree. So time grows with the size of the event and
with the size of the patterns, not with their product, and a deeply nested event does not exhaust the stack.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from webhooks.wire.patterns.branches import FieldPath, PatternBranch
from webhooks.wire.patterns.dotted_names import flatten, has_dotted, spellings, without_dots
from webhooks.wire.patterns.fields import FieldMatcher
from webhooks.wire.patterns.masks import AllBut
from webhooks.wire.patterns.operators.field_lookup import FieldLookup
from webhooks.wire.step_budget import UNLIMITED, StepBudget

MISSING: Any = object()
MAX_TRIED = 8  # names of one place that are looked up one by one; of more, those that the event has are combined
STEPS_PER_VALUE = 3  # matching a value with a node
BRANCHES_PER_STEP = 200  # whose masks cost one step more

Result = tuple[int, int]
"""The masks of the branches that are found, and of those that are absent; mismatches are in neither."""
Match = Callable[[Any, int, StepBudget], Result]
"""Matches a value, or MISSING, for the wanted branches."""
Field = tuple[FieldPath, FieldMatcher, int]
"""The path and the list of a field, and the mask of the branches that have it."""
_Tried = tuple[str, Mapping[str, int] | None, Match, int, int, int]

NOTHING: Result = (0, 0)
NO_NAMES: frozenset[str] = frozenset()


class BranchSet:
    """Branches, numbered in their order, that are matched together."""

    __slots__ = ("_match", "_steps", "children", "everything")

    def __init__(self, branches: Sequence[PatternBranch]) -> None:
        self.everything = (1 << len(branches)) - 1  # the mask of all branches
        matchers: dict[int, FieldMatcher] = {}
        masks: dict[tuple[FieldPath, int], int] = defaultdict(int)  # the branches of one pattern share matchers
        for number, branch in enumerate(branches):
            for path, matcher in branch.items():
                matchers[id(matcher)] = matcher
                masks[path, id(matcher)] |= 1 << number
        fields = [(path, matchers[key], mask) for (path, key), mask in masks.items()]
        root = _ObjectNode(fields, 0, self.everything)
        self._match, self._steps = root.match, root.steps
        self.children = root.children

    def matching(self, event: Any, wanted: int | None = None, budget: StepBudget = UNLIMITED) -> int:
        """Return the mask of those of the wanted branches (None: all) that match. Raises BudgetExceeded."""
        if not isinstance(event, dict):
            return 0
        budget.spend(self._steps)
        found, absent = self._match(event, self.everything if wanted is None else wanted, budget)
        return found | absent


class _FieldNode:
    """A name that is a field of the wanted branches. ``steps``: what it costs to match a scalar."""

    __slots__ = ("_absent", "_find", "own", "steps", "strings")
    children: Mapping[str, "_Node"] = {}

    def __init__(self, fields: Sequence[Field], everything: int) -> None:
        self.own = _combined(fields)
        self.steps = _steps(everything)
        self._absent = _optional(fields, everything)
        lookup = FieldLookup((entry, mask) for _, matcher, mask in fields for entry in matcher.entries)
        self._find, self.strings = lookup.find, lookup.only_strings

    def match(self, value: Any, wanted: int, budget: StepBudget) -> Result:
        if isinstance(value, list):
            return self._match_list(value, wanted, budget)
        if value is MISSING or isinstance(value, dict):
            return 0, wanted & self._absent
        return wanted & self._find(value, budget), 0

    def _match_list(self, values: list[Any], wanted: int, budget: StepBudget) -> Result:
        """Return what an element accepts. With any scalar in the list, nothing is absent."""
        found, absent, find = 0, self._absent, self._find
        for element in flatten(values, self.steps, budget):
            if not isinstance(element, dict):
                absent = 0
                if more := find(element, budget):
                    found |= more & wanted
                    if found == wanted:
                        break
        return found, wanted & absent


class _ObjectNode:
    """A name, or the event itself, with fields of the wanted branches below it.

    ``steps``: what it costs to match an object without lists in it. With more than MAX_TRIED names only those that the
    object has are tried, and paid for when they are known.
    """

    __slots__ = ("_if_missing", "_positions", "_required", "_spellings", "_tried", "below", "children", "steps")
    strings = None

    def __init__(self, fields: Sequence[Field], depth: int, everything: int) -> None:
        below: dict[str, list[Field]] = defaultdict(list)
        for it in fields:
            below[it[0][depth]].append(it)
        self.below = _combined(fields)
        self.children: dict[str, _Node] = {name: _node(it, depth + 1, everything) for name, it in below.items()}
        self._if_missing = _optional(fields, everything)
        self._spellings = spellings(self.children)
        # For each name: what exact strings match, if that is all; else the matcher of its node; its branches, all
        # others, and those that match without the name.
        self._tried: list[_Tried] = []
        for name, node in sorted(self.children.items(), key=lambda it: len(it[1].children)):  # fields first
            through, optional = _combined(below[name]), _optional(below[name], everything)
            self._tried.append((name, node.strings, node.match, through, everything & ~through, optional))
        self.steps = _steps(everything)
        if len(below) <= MAX_TRIED:
            self._required = None
            self.steps += sum(child.steps for child in self.children.values())
        else:
            self._required = AllBut([everything & ~it[5] for it in self._tried])
            self._positions = {tried[0]: number for number, tried in enumerate(self._tried)}

    def match(self, value: Any, wanted: int, budget: StepBudget) -> Result:
        if not isinstance(value, dict):
            if isinstance(value, list):
                return self._match_list(value, wanted, budget)
            return 0, wanted & self._if_missing
        if self._spellings != NO_NAMES and has_dotted(value, self._spellings, budget):
            value = without_dots(self.children, value, budget)
        tried, found = self._tried, 0
        if self._required is not None:
            tried, wanted = self._present(self._required, value, wanted, budget)
        for name, strings, match, through, others, optional in tried:
            inner = value.get(name, MISSING)
            if inner is MISSING:
                wanted &= optional
            elif here := wanted & through:
                if strings is not None and isinstance(inner, str):
                    inner_found, inner_absent = here & strings.get(inner, 0), 0
                else:
                    inner_found, inner_absent = match(inner, here, budget)
                found |= inner_found
                wanted = wanted & others | inner_found | inner_absent
            if not wanted:
                return NOTHING
        found &= wanted
        return found, wanted ^ found

    def _present(
        self, required: AllBut, value: dict[str, Any], wanted: int, budget: StepBudget
    ) -> tuple[list[_Tried], int]:
        """Return what to try of the names that an object has, and the branches that require no other name.

        The names are found in the time of the smaller of both, the object and this node.
        """
        all_positions = self._positions
        if len(value) < len(all_positions):
            positions = sorted(all_positions[name] for name in value if name in all_positions)
        else:
            positions = [position for name, position in all_positions.items() if name in value]
        budget.spend((1 + len(positions)) * (self.steps + len(all_positions).bit_length()))
        return [self._tried[position] for position in positions], wanted & ~required.combined(positions)

    def _match_list(self, values: list[Any], wanted: int, budget: StepBudget) -> Result:
        """Return what an element finds; else a mismatch with any element is one with the list."""
        found, absent, match = 0, wanted & self._if_missing, self.match
        for element in flatten(values, self.steps, budget):
            inner_found, inner_absent = match(element, wanted, budget)
            absent &= inner_absent
            if inner_found:
                found |= inner_found
                wanted ^= inner_found
                if not wanted:
                    break
        return found, wanted & absent


class _MixedNode:
    """A name that is a field and also has fields below it, e.g. "a" and "a.b", maybe of different branches."""

    __slots__ = ("_field", "_object", "children", "steps")
    strings = None

    def __init__(self, field: _FieldNode, below: _ObjectNode) -> None:
        self._field, self._object, self.children = field, below, below.children
        self.steps = field.steps + below.steps

    def match(self, value: Any, wanted: int, budget: StepBudget) -> Result:
        found, absent = self._field.match(value, wanted & self._field.own, budget)
        alive = wanted & ~self._field.own | found | absent
        inner_found, inner_absent = self._object.match(value, alive & self._object.below, budget)
        alive &= ~self._object.below | inner_found | inner_absent
        found = (found | inner_found) & alive
        return found, alive ^ found


_Node = _FieldNode | _ObjectNode | _MixedNode


def _node(fields: Sequence[Field], depth: int, everything: int) -> _Node:
    here = [it for it in fields if len(it[0]) == depth]
    below = [it for it in fields if len(it[0]) > depth]
    if not below:
        return _FieldNode(here, everything)
    if not here:
        return _ObjectNode(below, depth, everything)
    return _MixedNode(_FieldNode(here, everything), _ObjectNode(below, depth, everything))


def _steps(everything: int) -> int:
    """Return the steps of an operation on a mask."""
    return STEPS_PER_VALUE + everything.bit_length() // BRANCHES_PER_STEP


def _combined(fields: Iterable[Field]) -> int:
    mask = 0
    for _, _, branches in fields:
        mask |= branches
    return mask


def _optional(fields: Iterable[Field], everything: int) -> int:
    """Return all branches except those that require a value in one of these fields."""
    return everything & ~_combined(it for it in fields if not it[1].accepts_absent)
