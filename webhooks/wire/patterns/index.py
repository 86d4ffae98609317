"""Index many patterns and find those that match an event, evaluating only candidates.

Most patterns accept only exact values for at least one field, e.g. one customer or one region. Each branch is indexed
under one such field: the one whose values it shares with the fewest other branches. The values of the event select the
candidates, which are then evaluated. Patterns without such a field (only prefixes, ranges, ...) are always candidates.

Equal patterns are evaluated once for all their items.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from webhooks.wire.patterns.branches import FieldPath, PatternBranch
from webhooks.wire.patterns.dotted_names import scalars_at
from webhooks.wire.patterns.fields import FieldMatcher
from webhooks.wire.step_budget import UNLIMITED, StepBudget

T = TypeVar("T")
IndexKey = tuple[FieldPath, frozenset[Any]]
"""A field and the only values that it accepts."""

MAX_INDEXED_BRANCHES = 32  # of one pattern; a pattern with more is always a candidate


class IndexablePattern(Protocol):
    """A pattern or a wrapper of one."""

    @property
    def branches(self) -> Sequence[PatternBranch]:
        """Return the alternatives of which one must match."""

    def matches(self, event: dict[str, Any], /, budget: StepBudget | None = None) -> bool:
        """Tell whether the pattern matches this event. Raises BudgetExceeded."""


class PatternIndex(Generic[T]):
    """An index of patterns, each with an item.

    ``compact`` returns what is kept of a pattern that is always a candidate; the pattern itself by default.
    """

    __slots__ = ("_always", "_by_value", "_items", "_patterns")

    def __init__(
        self,
        entries: Iterable[tuple[IndexablePattern, T]],
        compact: Callable[[IndexablePattern], IndexablePattern] = lambda pattern: pattern,
    ) -> None:
        items: dict[IndexablePattern, list[T]] = {}
        for pattern, item in entries:
            items.setdefault(pattern, []).append(item)
        self._patterns = list(items)
        self._items = [tuple(each) for each in items.values()]
        self._by_value, self._always = _build([_index_keys(pattern) for pattern in self._patterns])
        for number in self._always:
            self._patterns[number] = compact(self._patterns[number])

    def find(self, event: dict[str, Any], budget: StepBudget | None = None) -> Iterator[T]:
        """Yield the items whose pattern matches this event. Raises BudgetExceeded."""
        for number in self._candidates(event, budget or UNLIMITED):
            if self._patterns[number].matches(event, budget):
                yield from self._items[number]

    def _candidates(self, event: dict[str, Any], budget: StepBudget) -> dict[int, None]:
        candidates = dict.fromkeys(self._always)
        for path, numbers in self._by_value.items():
            for scalar in scalars_at(event, path, budget):
                if scalar in numbers:
                    candidates.update(dict.fromkeys(numbers[scalar]))
        return candidates


def _index_keys(pattern: IndexablePattern) -> list[list[IndexKey]]:
    """Return the possible keys of each branch; empty if the pattern must always be a candidate."""
    branches = pattern.branches
    if len(branches) > MAX_INDEXED_BRANCHES:
        return []
    keys = [[(path, values) for path, it in branch.items() if (values := _exact_values(it))] for branch in branches]
    return keys if all(keys) else []


def _exact_values(matcher: FieldMatcher) -> frozenset[Any]:
    """Return the only values that a field accepts; empty if it accepts others too.

    As dictionary keys, true equals 1 and 300 equals 300.0. That only adds candidates.
    """
    if matcher.predicates or matcher.accepts_absent:
        return frozenset()
    return matcher.strings | matcher.numbers | matcher.constants


def _build(patterns: list[list[list[IndexKey]]]) -> tuple[dict[FieldPath, dict[Any, list[int]]], list[int]]:
    """Return the pattern numbers by field and value, and the numbers of those that are always candidates."""
    counts = Counter(
        (path, value) for branches in patterns for keys in branches for path, values in keys for value in values
    )
    by_value: dict[FieldPath, dict[Any, list[int]]] = {}
    for number, branches in enumerate(patterns):
        for keys in branches:
            path, values = min(keys, key=lambda key: max(counts[key[0], value] for value in key[1]))
            for value in values:
                by_value.setdefault(path, {}).setdefault(value, []).append(number)
    return by_value, [number for number, branches in enumerate(patterns) if not branches]
