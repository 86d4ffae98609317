"""Find an event's routes among a tenant's subscriptions, without evaluating every pattern.

Routes are looked up by event type, then by the exact values in their patterns (``PatternIndex``). The index of a type
is built when the first event of that type arrives, so a table with many types costs little until it is used.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from uuid import UUID

from subscriptions.routing.compiled_patterns import compiled
from webhooks.wire.patterns import IndexablePattern, PatternIndex
from webhooks.wire.step_budget import BudgetExceeded, StepBudget
from webhooks.wire.transform import Transformer

OPERATIONAL = "waypost."  # prefix of the types of the platform's own events


@dataclass(frozen=True, slots=True)
class Route:
    """Hold what fan-out needs of one subscription and its endpoint."""

    subscription_id: UUID
    endpoint_id: UUID
    ordering: str = ""
    pattern: IndexablePattern | None = None
    transformer: Transformer | None = None
    reference_above_bytes: int | None = None  # bytes of data above which a link is sent instead; None: never


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """Hold a route, the event types it is for, and the stamp of the row version it was read from."""

    stamp: str
    route: Route
    event_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RouteSlice:
    """Hold the routes that one slice of a route table has for an event, by subscription id.

    ``after`` is where the next slice begins; None if there is none. A caller that uses only the first routes of a slice
    continues after the subscription id of the last one it used.
    """

    routes: list[Route]
    after: UUID | None


class _Bucket:
    """Hold the routes that name one type."""

    __slots__ = ("_index", "is_ordered", "with_pattern", "without_pattern")

    def __init__(self) -> None:
        self.is_ordered = False
        self.without_pattern: list[Route] = []
        self.with_pattern: list[tuple[IndexablePattern, Route]] = []
        self._index: PatternIndex[Route] | None = None

    def find(self, document: Callable[[], dict[str, Any]], budget: StepBudget | None) -> Iterator[Route]:
        yield from self.without_pattern
        if self.with_pattern:
            if self._index is None:
                self._index = PatternIndex(self.with_pattern, compact=compiled)
            yield from self._index.find(document(), budget)


class RouteTable:
    """Hold the subscriptions of one tenant at one version. Immutable, but for indexes built on first use."""

    __slots__ = ("_buckets", "entries", "version")

    def __init__(self, version: int, entries: dict[UUID, RouteEntry] | None = None) -> None:
        """Index the entries, which are keyed by subscription id."""
        self.version = version
        self.entries = entries or {}
        self._buckets: dict[str, _Bucket] = {}
        for entry in self.entries.values():
            for name in dict.fromkeys(entry.event_types):
                bucket = self._buckets.setdefault(name, _Bucket())
                bucket.is_ordered = bucket.is_ordered or bool(entry.route.ordering)
                if entry.route.pattern is None:
                    bucket.without_pattern.append(entry.route)
                else:
                    bucket.with_pattern.append((entry.route.pattern, entry.route))

    def has_type(self, event_type: str) -> bool:
        """Return whether a subscription names this type, whatever its pattern."""
        return any(name in self._buckets for name in matching_names(event_type))

    def of_endpoint(self, endpoint_id: UUID) -> list[RouteEntry]:
        """Return the entries of this endpoint's subscriptions."""
        return [entry for entry in self.entries.values() if entry.route.endpoint_id == endpoint_id]

    def has_ordered(self, event_type: str) -> bool:
        """Return whether a subscription of an ordered endpoint names this type, whatever its pattern."""
        return any(self._buckets[name].is_ordered for name in matching_names(event_type) if name in self._buckets)

    def count_without_pattern(self, event_type: str) -> int:
        """Return how many subscriptions match every event of this type: a lower bound of what ``find`` looks at."""
        found = (self._buckets.get(name) for name in matching_names(event_type))
        return sum(len(bucket.without_pattern) for bucket in found if bucket is not None)

    def find(
        self, event_type: str, document: Callable[[], dict[str, Any]], *, budget: StepBudget | None = None
    ) -> list[Route]:
        """Return the routes of an event, at most one per endpoint: that of its oldest matching subscription.

        ``document`` returns the event as patterns see it; it is called only if a pattern must be evaluated. Raises
        BudgetExceeded if there is a budget; ``find_slice`` then finds the same routes piece by piece.
        """
        found: dict[UUID, Route] = {}
        for name in matching_names(event_type):
            bucket = self._buckets.get(name)
            if bucket is None:
                continue
            for route in bucket.find(document, budget):
                known = found.get(route.endpoint_id)
                if known is None or route.subscription_id < known.subscription_id:
                    found[route.endpoint_id] = route
        return list(found.values())

    def find_slice(
        self,
        event_type: str,
        document: Callable[[], dict[str, Any]],
        *,
        after: UUID | None = None,
        size: int,
        budget: StepBudget | None = None,
    ) -> RouteSlice:
        """Return the routes of an event among the next ``size`` subscriptions for its type after this subscription id.

        Subscriptions are taken in the order of their ids, so a slice can be continued with a later version of the
        table. An endpoint with matching subscriptions in several slices has a route in each: the caller keeps the
        first, which is that of the oldest subscription. If the budget ends, the slice ends early, but never before its
        first subscription; so repeated calls always come to the end.
        """
        names = set(matching_names(event_type))
        remaining = sorted(
            (
                (key, entry)
                for key, entry in self.entries.items()
                if (after is None or key > after) and not names.isdisjoint(entry.event_types)
            ),
            key=itemgetter(0),
        )
        found: dict[UUID, Route] = {}
        for number, (_, entry) in enumerate(remaining[:size]):
            route = entry.route
            try:
                if route.pattern is None or route.pattern.matches(document(), budget if number else None):
                    found.setdefault(route.endpoint_id, route)
            except BudgetExceeded:
                return RouteSlice(list(found.values()), remaining[number - 1][0])
        return RouteSlice(list(found.values()), remaining[size - 1][0] if len(remaining) > size else None)


def matching_names(event_type: str) -> Iterator[str]:
    """Yield what a subscription may name to receive this type: the type, ``a.b.*`` and ``a.*`` above it, ``*``.

    ``*`` does not include the platform's own events: they are named by ``waypost.*`` or exactly.
    """
    yield event_type
    dot = event_type.rfind(".")
    while dot > 0:
        yield event_type[:dot] + ".*"
        dot = event_type.rfind(".", 0, dot)
    if not event_type.startswith(OPERATIONAL):
        yield "*"
