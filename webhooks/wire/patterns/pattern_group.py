"""Compile several patterns into one set of branches, to match an event with all of them at once.

A sequence of patterns is divided into groups of about GROUP_SIZE. Where a group ends depends on its patterns, so that a
change of one pattern changes one group, and the compiled forms of the others can be used again.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

from webhooks.wire.patterns.branches import PatternBranch
from webhooks.wire.patterns.dotted_names import NamedNode
from webhooks.wire.patterns.matching import BranchSet
from webhooks.wire.patterns.outline import PatternOutline
from webhooks.wire.step_budget import UNLIMITED, StepBudget

GROUP_SIZE = 64  # patterns, on average
MAX_GROUP_BRANCHES = 512
MIN_TOGETHER = 4  # patterns of one group that are evaluated with it; fewer are evaluated one by one
STEPS_PER_FIELD = 150  # of compiling a field of a branch
STEPS_PER_VALUE = 30
BYTES_PER_FIELD = 1_300  # of a compiled field of any number of branches, without its masks
BYTES_PER_VALUE = 100


class IndexablePattern(Protocol):
    """A pattern, or a wrapper that compiles one when it is needed."""

    @property
    def key(self) -> Hashable:
        """Return what equal patterns have in common."""

    @property
    def branches(self) -> Sequence[PatternBranch]:
        """Return the alternatives of which one must match."""

    def outline(self, budget: StepBudget = UNLIMITED, /) -> PatternOutline:
        """Return the outline of the pattern. Raises BudgetExceeded."""

    def matches(self, event: dict[str, Any], /, budget: StepBudget | None = None) -> bool:
        """Return whether the pattern matches this event. Raises BudgetExceeded."""


class PatternGroup:
    """Patterns that are compiled together. ``key`` identifies the group in a cache."""

    __slots__ = ("key", "patterns")

    def __init__(self, patterns: Sequence[IndexablePattern]) -> None:
        self.patterns = tuple(patterns)
        self.key: Hashable = self.patterns[0].key if len(patterns) == 1 else tuple(it.key for it in patterns)

    def compile(self) -> "CompiledGroup":
        """Compile the patterns."""
        return CompiledGroup([pattern.branches for pattern in self.patterns])


class CompiledGroup:
    """Patterns, numbered in their order. ``steps`` and ``size``: what compiling them costs, and their bytes, about."""

    __slots__ = ("_branches", "_masks", "_owners", "size", "steps")

    def __init__(self, patterns: Sequence[Sequence[PatternBranch]]) -> None:
        branches = [branch for each in patterns for branch in each]
        self._branches = BranchSet(branches)
        self._owners = [number for number, each in enumerate(patterns) for _ in each]
        self._masks: list[int] = []  # the branches of each pattern
        start = 0
        for each in patterns:
            self._masks.append(((1 << len(each)) - 1) << start)
            start += len(each)
        paths = {path for branch in branches for path in branch}
        matchers = {id(it): it for branch in branches for it in branch.values()}
        values = sum(len(it.values) for it in matchers.values())
        mask_bytes = len(branches) // 8
        self.steps = STEPS_PER_FIELD * sum(map(len, branches)) + STEPS_PER_VALUE * values
        self.size = len(paths) * (BYTES_PER_FIELD + 4 * mask_bytes) + values * (BYTES_PER_VALUE + mask_bytes)

    @property
    def names(self) -> Mapping[str, NamedNode]:
        """Return the names in an event that the patterns look at, as a tree."""
        return self._branches.children

    def is_match(self, event: dict[str, Any], budget: StepBudget) -> bool:
        """Return whether one of the patterns matches. Raises BudgetExceeded."""
        return self._branches.matching(event, None, budget) != 0

    def matching(self, event: dict[str, Any], wanted: Sequence[int] | None, budget: StepBudget) -> list[int]:
        """Return the numbers of the wanted patterns (None: all) that match. Raises BudgetExceeded."""
        mask = None if wanted is None else sum(self._masks[number] for number in wanted)
        found = self._branches.matching(event, mask, budget)
        numbers = []
        while found:
            number = self._owners[(found & -found).bit_length() - 1]
            numbers.append(number)
            found &= ~self._masks[number]
        return numbers


GroupCompiler = Callable[[PatternGroup, StepBudget], CompiledGroup]
"""Returns the compiled form of a group, maybe from a cache. Raises BudgetExceeded."""


class PatternGroups:
    """A sequence of numbered patterns, divided into groups. Each pattern has a place in it, counted from 0."""

    __slots__ = ("_branches", "_compiled", "_groups", "_numbers", "_patterns", "_places", "_singles", "_starts")

    def __init__(self, compiled: GroupCompiler | None = None) -> None:
        self._compiled = _kept() if compiled is None else compiled
        self._numbers: list[int] = []
        self._patterns: list[IndexablePattern] = []
        self._places: dict[int, int] = {}
        self._starts: list[int] = []  # the first place of each group
        self._branches = 0  # of the last group
        self._groups: dict[int, PatternGroup] = {}  # by the place where a group starts
        self._singles: dict[int, PatternGroup] = {}  # by place

    def add(self, number: int, pattern: IndexablePattern, branches: int) -> int:
        """Add a pattern with ``branches``, and return its place."""
        place = len(self._patterns)
        if not place or self._branches + branches > MAX_GROUP_BRANCHES or not hash(pattern.key) % GROUP_SIZE:
            self._starts.append(place)
            self._branches = 0
        self._branches += branches
        self._patterns.append(pattern)
        self._numbers.append(number)
        self._places[number] = place
        return place

    def places(self, numbers: Collection[int]) -> set[int]:
        """Return the places of those of these patterns that the sequence has."""
        return {self._places[number] for number in numbers if number in self._places}

    def __len__(self) -> int:
        """Return the number of patterns."""
        return len(self._patterns)

    def matching_all(self, event: dict[str, Any], budget: StepBudget) -> list[int]:
        """Return the numbers of the patterns that match. Raises BudgetExceeded."""
        return [
            self._numbers[start + position]
            for start in self._starts
            for position in self._group(start, budget).matching(event, None, budget)
        ]

    def matching(self, event: dict[str, Any], places: Collection[int], budget: StepBudget) -> list[int]:
        """Return the numbers of the patterns in these places that match. Raises BudgetExceeded."""
        if len(places) < MIN_TOGETHER:
            return self._matching_singles(event, places, budget)
        numbers: list[int] = []
        for start, group in groupby(sorted(places), key=self._start_of):
            together = list(group)
            if len(together) < MIN_TOGETHER:
                numbers += self._matching_singles(event, together, budget)
            else:
                wanted = [place - start for place in together]
                found = self._group(start, budget).matching(event, wanted, budget)
                numbers += [self._numbers[start + position] for position in found]
        return numbers

    def _matching_singles(self, event: dict[str, Any], places: Collection[int], budget: StepBudget) -> list[int]:
        return [self._numbers[it] for it in places if self._single(it, budget).is_match(event, budget)]

    def _start_of(self, place: int) -> int:
        return self._starts[bisect_right(self._starts, place) - 1]

    def _group(self, start: int, budget: StepBudget) -> CompiledGroup:
        group = self._groups.get(start)
        if group is None:
            index = bisect_right(self._starts, start)
            end = self._starts[index] if index < len(self._starts) else len(self._patterns)
            group = self._groups[start] = PatternGroup(self._patterns[start:end])
        return self._compiled(group, budget)

    def _single(self, place: int, budget: StepBudget) -> CompiledGroup:
        group = self._singles.get(place)
        if group is None:
            group = self._singles[place] = PatternGroup(self._patterns[place : place + 1])
        return self._compiled(group, budget)


def _kept() -> GroupCompiler:
    compiled: dict[Hashable, CompiledGroup] = {}

    def compile_once(group: PatternGroup, budget: StepBudget) -> CompiledGroup:
        if group.key not in compiled:
            compiled[group.key] = group.compile()
            budget.spend(compiled[group.key].steps)
        return compiled[group.key]

    return compile_once
