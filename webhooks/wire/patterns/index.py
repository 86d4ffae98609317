"""Index many patterns and find those that match an event, evaluating only candidates.

Most patterns name at least one field by exact values: this customer, that region. Each branch of a pattern is filed
under one such field, the one whose values it shares with the fewest others; an event is looked up by the values it
has there, and only what is found is asked. Patterns that name nothing exactly (only prefixes, ranges, ...) are
asked every time. Filing leaves out only what cannot match; the pattern itself has the last word.

Equal patterns are filed once, whatever number of things hang on them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from webhooks.wire.patterns.branches import FieldPath, PatternBranch
from webhooks.wire.patterns.fields import FieldMatcher
from webhooks.wire.patterns.matching import scalars_at

__all__ = ["IndexablePattern", "PatternIndex"]

T = TypeVar("T")
IndexKey = tuple[FieldPath, frozenset[Any]]
"""A field and the only values with which it can be satisfied."""

MAX_FILED = 32  # branches of one pattern; what has more is asked every time


class IndexablePattern(Protocol):
    """A pattern, or what stands for one."""

    @property
    def branches(self) -> Sequence[PatternBranch]: ...

    def matches(self, event: dict[str, Any], /) -> bool: ...


class PatternIndex(Generic[T]):
    """Patterns, each with things that hang on it.

    ``compact`` says what to hold of a pattern that is asked every time, if that is another than the pattern.
    """

    __slots__ = ("_always", "_filed", "_patterns", "_things")

    def __init__(
        self,
        entries: Iterable[tuple[IndexablePattern, T]],
        compact: Callable[[IndexablePattern], IndexablePattern] = lambda pattern: pattern,
    ) -> None:
        together: dict[IndexablePattern, list[T]] = {}
        for pattern, thing in entries:
            together.setdefault(pattern, []).append(thing)
        self._patterns = list(together)
        self._things = [tuple(things) for things in together.values()]
        self._filed, self._always = _file([_places(pattern) for pattern in self._patterns])
        for number in self._always:
            self._patterns[number] = compact(self._patterns[number])

    def find(self, event: dict[str, Any]) -> Iterator[T]:
        """The things whose pattern matches this event."""
        for number in self._candidates(event):
            if self._patterns[number].matches(event):
                yield from self._things[number]

    def candidate_count(self, event: dict[str, Any]) -> int:
        """How many patterns this event is put to: the work that is left."""
        return len(self._candidates(event))

    def _candidates(self, event: dict[str, Any]) -> dict[int, None]:
        found = dict.fromkeys(self._always)
        for path, by_value in self._filed.items():
            for scalar in scalars_at(event, path):
                if scalar in by_value:
                    found.update(dict.fromkeys(by_value[scalar]))
        return found


def _places(pattern: IndexablePattern) -> list[list[IndexKey]]:
    """For each branch, where it could be filed. Nothing for a pattern that cannot be filed as a whole."""
    branches = pattern.branches
    if len(branches) > MAX_FILED:
        return []
    places = [[(path, it) for path, wanted in branch.items() if (it := _exact(wanted))] for branch in branches]
    return places if all(places) else []


def _exact(wanted: FieldMatcher) -> frozenset[Any]:
    """The only values with which a field can be satisfied; none if others can, too.

    As keys, true is 1 and 300 is 300.0: too much may be found, never too little.
    """
    if wanted.tests or wanted.absent:
        return frozenset()
    return wanted.strings | wanted.numbers | wanted.constants


def _file(patterns: list[list[list[IndexKey]]]) -> tuple[dict[FieldPath, dict[Any, list[int]]], list[int]]:
    """Where each pattern is filed, and the numbers of those that are filed nowhere."""
    crowds = Counter(
        (path, value) for branches in patterns for places in branches for path, values in places for value in values
    )
    filed: dict[FieldPath, dict[Any, list[int]]] = {}
    for number, branches in enumerate(patterns):
        for places in branches:
            path, values = min(places, key=lambda place: max(crowds[place[0], value] for value in place[1]))
            for value in values:
                filed.setdefault(path, {}).setdefault(value, []).append(number)
    return filed, [number for number, branches in enumerate(patterns) if not branches]
