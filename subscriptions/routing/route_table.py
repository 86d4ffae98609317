"""Find an event's routes among a tenant's subscriptions, without evaluating every pattern.

Routes are looked up by event type, then by the exact values in their patterns (``PatternIndex``). The index of a type
is built when the first event of that type arrives, so a table with many types costs little until it is used.
"""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from operator import attrgetter, is_
from types import MappingProxyType
from typing import Any
from uuid import UUID

from subscriptions.routing.compiled_patterns import group_compiler
from subscriptions.routing.type_names import matching_names
from webhooks.wire.masking import Masks
from webhooks.wire.patterns import IndexablePattern, PatternIndex
from webhooks.wire.step_budget import UNLIMITED, UNLIMITED_STEPS, BudgetExceeded, StepBudget
from webhooks.wire.transform import BodyTransformer

STEPS_PER_ROUTE = 3  # comparing a route with those that were found


_id = attrgetter("subscription_id.int")  # integers are compared much faster than UUIDs


@dataclass(frozen=True, slots=True)
class Route:
    """Hold what fan-out needs of one subscription and its endpoint.

    ``subscription_id`` orders the routes by the age of their subscriptions. One that selects its endpoints by labels
    has a route to each; their keys differ in the last bits (``snapshot``).
    """

    subscription_id: UUID
    endpoint_id: UUID
    ordering: str = ""
    latest_only: str | None = None
    pattern: IndexablePattern | None = None
    transformer: BodyTransformer | None = None
    masks: Masks | None = None  # of the endpoint
    is_unmasked: bool = False  # whether the endpoint gets events without the masks of their types
    reference_above_bytes: int | None = None  # bytes of data above which a link is sent instead; None: never


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """Hold a route, the event types it is for, and the stamp of the row version it was read from.

    ``size``: bytes of memory, estimated.
    """

    stamp: str
    route: Route
    event_types: tuple[str, ...]
    size: int = 0


@dataclass(frozen=True, slots=True)
class RouteSlice:
    """Hold the routes that one slice of a route table has for an event, by subscription id.

    ``after`` is where the next slice begins; None if there is none. A caller that uses only the first routes of a slice
    continues after the subscription id of the last one it used.
    """

    routes: list[Route]
    after: UUID | None


class _Bucket:
    """Hold the routes that name one type, in the order of their subscriptions."""

    __slots__ = ("_index", "_owner", "is_ordered", "is_unmasked", "with_pattern", "without_pattern")

    def __init__(self, owner: Hashable) -> None:
        self.is_ordered = False
        self.is_unmasked = False
        self.without_pattern: list[Route] = []
        self.with_pattern: list[Route] = []
        self._owner = owner
        self._index: PatternIndex[Route] | None = None

    def add(self, route: Route) -> None:
        """Add the next route."""
        self.is_ordered = self.is_ordered or bool(route.ordering or route.latest_only)
        self.is_unmasked = self.is_unmasked or route.is_unmasked
        (self.without_pattern if route.pattern is None else self.with_pattern).append(route)

    def has_same_routes(self, other: "_Bucket") -> bool:
        """Return whether another bucket has the same routes, so that one can stand for the other."""
        return _are_same(self.without_pattern, other.without_pattern) and _are_same(
            self.with_pattern, other.with_pattern
        )

    def find(
        self, document: Callable[[], dict[str, Any]], budget: StepBudget, ids: "_Ids | None" = None
    ) -> list[Route]:
        """Return the routes that match, only of the subscriptions with these ids. Raises BudgetExceeded."""
        found = self.without_pattern if ids is None else ids.within(self.without_pattern)
        budget.spend(STEPS_PER_ROUTE * len(found))
        among = None if ids is None else ids.positions(self.with_pattern)
        if not (self.with_pattern if among is None else among):
            return found
        if self._index is None:
            entries = [(it.pattern, it) for it in self.with_pattern if it.pattern is not None]
            self._index = PatternIndex(entries, group_compiler(self._owner))
        matching = self._index.find(document(), budget, among)
        return found + matching if found else matching


@dataclass(frozen=True, slots=True)
class _Ids:
    """The ids of some subscriptions: those after one, up to and including another; None is no limit."""

    after: UUID | None
    last: UUID | None

    def positions(self, routes: list[Route]) -> range:
        """Return the positions of the routes of these subscriptions."""
        start = 0 if self.after is None else bisect_right(routes, self.after.int, key=_id)
        end = len(routes) if self.last is None else bisect_right(routes, self.last.int, key=_id)
        return range(start, end)

    def within(self, routes: list[Route]) -> list[Route]:
        """Return the routes of these subscriptions."""
        positions = self.positions(routes)
        return routes[positions.start : positions.stop]


class RouteTable:
    """Hold the subscriptions of one tenant at one version. Immutable, but for indexes built on first use."""

    __slots__ = ("_buckets", "entries", "grants", "version")

    def __init__(
        self,
        version: int,
        entries: Mapping[UUID, RouteEntry] | None = None,
        owner: Hashable = None,
        known: "RouteTable | None" = None,
        grants: Mapping[UUID, frozenset[str]] = MappingProxyType({}),
    ) -> None:
        """Index the entries, which are keyed by subscription id.

        ``owner``: the tenant whose share of the cache keeps the compiled patterns. ``known``: an earlier version, whose
        indexes are used again for types whose routes have not changed. ``grants``: the types that each grant names.
        """
        self.version = version
        self.grants = grants
        self.entries = dict(entries or {})
        self._buckets: dict[str, _Bucket] = {}
        for entry in sorted(self.entries.values(), key=attrgetter("route.subscription_id.int")):
            for name in dict.fromkeys(entry.event_types):
                if name not in self._buckets:
                    self._buckets[name] = _Bucket(owner)
                self._buckets[name].add(entry.route)
        if known is not None:
            for name, bucket in self._buckets.items():
                earlier = known._buckets.get(name)
                if earlier is not None and earlier.has_same_routes(bucket):
                    self._buckets[name] = earlier

    def of_endpoint(self, endpoint_id: UUID) -> list[RouteEntry]:
        """Return the entries of this endpoint's subscriptions."""
        return [entry for entry in self.entries.values() if entry.route.endpoint_id == endpoint_id]

    def grants_for(self, event_type: str) -> list[UUID]:
        """Return the grants that may share an event of this type; their patterns are not compared."""
        if not self.grants:
            return []
        names = set(matching_names(event_type))
        return [key for key, types in self.grants.items() if not names.isdisjoint(types)]

    def has_ordered(self, event_type: str) -> bool:
        """Return whether a subscription of an ordered endpoint names this type, whatever its pattern."""
        return any(self._buckets[name].is_ordered for name in matching_names(event_type) if name in self._buckets)

    def has_unmasked(self, event_type: str) -> bool:
        """Return whether an endpoint that a subscription names for this type gets events unmasked."""
        return any(self._buckets[name].is_unmasked for name in matching_names(event_type) if name in self._buckets)

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
        return self._find(event_type, document, UNLIMITED if budget is None else budget)

    def _find(
        self, event_type: str, document: Callable[[], dict[str, Any]], budget: StepBudget, ids: _Ids | None = None
    ) -> list[Route]:
        found: dict[UUID, Route] = {}
        for name in matching_names(event_type):
            bucket = self._buckets.get(name)
            if bucket is None:
                continue
            for route in bucket.find(document, budget, ids):
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
        budget = UNLIMITED if budget is None else budget
        found: dict[UUID, Route] = {}
        width, looked_at = 1, 0
        while looked_at < size:
            piece = self._next_routes(event_type, after, min(width, size - looked_at))
            if not piece:
                return RouteSlice(list(found.values()), None)
            try:
                matching = self._matching(event_type, document, piece, after, budget, looked_at == 0)
            except BudgetExceeded:
                break
            for route in matching:
                found.setdefault(route.endpoint_id, route)
            after, looked_at, width = piece[-1].subscription_id, looked_at + len(piece), 2 * width
        has_more = bool(self._next_routes(event_type, after, 1))
        return RouteSlice(list(found.values()), after if has_more else None)

    def _next_routes(self, event_type: str, after: UUID | None, count: int) -> list[Route]:
        """Return the next routes for a type after a subscription, in the order of their subscriptions."""
        found: dict[UUID, Route] = {}
        ids = _Ids(after, None)
        for name in matching_names(event_type):
            if name in self._buckets:
                for routes in (self._buckets[name].without_pattern, self._buckets[name].with_pattern):
                    start = ids.positions(routes).start
                    found.update((it.subscription_id, it) for it in routes[start : start + count])
        return sorted(found.values(), key=_id)[:count]

    def _matching(
        self,
        event_type: str,
        document: Callable[[], dict[str, Any]],
        piece: list[Route],
        after: UUID | None,
        budget: StepBudget,
        is_first: bool,
    ) -> list[Route]:
        """Return those that match of the routes that follow a subscription, in their order.

        The first one of a slice is evaluated by itself, without the index and whatever it costs.
        """
        if is_first:
            counted = StepBudget(UNLIMITED_STEPS)
            matching = [it for it in piece if it.pattern is None or it.pattern.matches(document(), counted)]
            budget.remaining -= counted.spent
            return matching
        return sorted(self._find(event_type, document, budget, _Ids(after, piece[-1].subscription_id)), key=_id)


def _are_same(some: list[Route], others: list[Route]) -> bool:
    return len(some) == len(others) and all(map(is_, some, others))
