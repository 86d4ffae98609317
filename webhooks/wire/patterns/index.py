"""Index many patterns and find those that match an event, evaluating only candidates, many at once.

Most patterns accept only exact values for at least one field, e.g. one customer or one region. Each branch is indexed
under one such field: the one whose values it shares with the fewest other branches. The values of the event select the
candidates, which are then evaluated. Patterns without such a field (only prefixes, ranges, ...) are always candidates.

Candidates are evaluated in groups, which look at the event once for all their patterns. Equal patterns are evaluated
once for all their items.

An index is built when it is first read, and as far as the budget lasts; the next reader continues.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from threading import Lock
from typing import Any, Generic, TypeVar

from webhooks.wire.patterns.branches import FieldPath
from webhooks.wire.patterns.outline import IndexKey
from webhooks.wire.patterns.pattern_group import GroupCompiler, IndexablePattern, PatternGroups
from webhooks.wire.patterns.value_tree import ValueTree
from webhooks.wire.step_budget import UNLIMITED, StepBudget

T = TypeVar("T")

MAX_UNINDEXED = 16  # patterns: so few are evaluated at once in less time than candidates are found
STEPS_PER_PATTERN = 20  # building the index, for each of two passes


class PatternIndex(Generic[T]):
    """An index of patterns, each with an item.

    ``compiled`` returns the compiled form of groups of patterns; by default, each is compiled once and kept.
    """

    __slots__ = ("_always", "_counted", "_counts", "_entries", "_indexed", "_items", "_lock", "_number_of", "_patterns",
                 "_placed", "_values")  # fmt: skip

    def __init__(self, entries: Iterable[tuple[IndexablePattern, T]], compiled: GroupCompiler | None = None) -> None:
        self._entries = list(entries)
        self._patterns: list[IndexablePattern] = []
        self._number_of: list[int] = []  # the number of the pattern of each entry
        items: list[list[T]] = []  # by number
        numbers: dict[Hashable, int] = {}
        for pattern, item in self._entries:
            number = numbers.setdefault(pattern.key, len(items))
            if number == len(items):
                self._patterns.append(pattern)
                items.append([])
            items[number].append(item)
            self._number_of.append(number)
        self._items = [tuple(each) for each in items]
        self._lock = Lock()
        self._counted = self._placed = 0  # patterns; how far the index is built
        self._counts: Counter[tuple[FieldPath, Any]] = Counter()  # branches that accept a value of a field
        self._values = ValueTree()
        self._always, self._indexed = PatternGroups(compiled), PatternGroups(compiled)

    def find(self, event: dict[str, Any], budget: StepBudget | None = None, among: range | None = None) -> list[T]:
        """Return the items whose pattern matches this event. Raises BudgetExceeded.

        ``among``: only the items of these entries, by their positions.
        """
        budget = UNLIMITED if budget is None else budget
        if self._placed < len(self._patterns):
            self._build(budget)
        candidates: set[int] = set()
        if self._indexed:
            self._values.find(event, candidates, budget)
        if among is not None:
            return self._find_among(among, event, candidates, budget)
        matching = self._always.matching_all(event, budget) if self._always else []
        if candidates:
            matching += self._indexed.matching(event, candidates, budget)
        if len(matching) == 1:
            return list(self._items[matching[0]])
        return [item for number in matching for item in self._items[number]]

    def _find_among(self, among: range, event: dict[str, Any], candidates: set[int], budget: StepBudget) -> list[T]:
        budget.spend(len(among))
        wanted = {self._number_of[entry] for entry in among}
        found = set(self._always.matching(event, self._always.places(wanted), budget))
        found.update(self._indexed.matching(event, candidates & self._indexed.places(wanted), budget))
        return [self._entries[entry][1] for entry in among if self._number_of[entry] in found]

    def _build(self, budget: StepBudget) -> None:
        """Build the index, or the rest of it. Progress is kept when the budget is exceeded."""
        with self._lock:
            while self._counted < len(self._patterns):
                outline = self._patterns[self._counted].outline(budget)
                budget.spend(STEPS_PER_PATTERN)
                self._counts.update((path, value) for keys in outline.keys for path, values in keys for value in values)
                self._counted += 1
            while self._placed < len(self._patterns):
                budget.spend(STEPS_PER_PATTERN)
                self._place(self._placed)
                self._placed += 1
            self._counts.clear()

    def _place(self, number: int) -> None:
        pattern = self._patterns[number]
        outline = pattern.outline()
        if not outline.keys or len(self._patterns) <= MAX_UNINDEXED:
            self._always.add(number, pattern, outline.branches)
            return
        place = self._indexed.add(number, pattern, outline.branches)
        for keys in outline.keys:
            path, values = min(keys, key=self._shared)
            self._values.add(path, values, place)

    def _shared(self, key: IndexKey) -> int:
        """Return with how many branches a branch would share a value of this field, at most."""
        path, values = key
        return max(self._counts[path, value] for value in values)
