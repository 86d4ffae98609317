"""The subscriptions of one tenant at one version, in memory: an event finds its routes without looking at the others.

First by type, then by exact values in patterns (``PatternIndex``). The index of a type is made when the first event
of that type comes, so a picture with many types costs little until it is used. A picture that replaces another takes
over every route whose row has not changed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from subscriptions.routing.compiled_patterns import held
from webhooks.wire.patterns import IndexablePattern, PatternIndex
from webhooks.wire.transform import Transformer

__all__ = ["OPERATIONAL", "Kept", "Route", "Routes", "names_for"]

OPERATIONAL = "waypost."  # what the types of the platform's own events begin with


@dataclass(frozen=True, slots=True)
class Route:
    """One subscription: the endpoint, whether it wants things in order, and what narrows or rewrites the event.
    ``thin_above``: bytes of data above which it gets a link instead."""

    subscription_id: UUID
    endpoint_id: UUID
    ordering: str = ""
    pattern: IndexablePattern | None = None
    transformer: Transformer | None = None
    thin_above: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A route, the types it is for, and the stamp of the row it was read from."""

    stamp: str
    route: Route
    event_types: tuple[str, ...]


class _Bucket:
    """The routes that name one type."""

    __slots__ = ("_index", "narrowed", "plain")

    def __init__(self) -> None:
        self.plain: list[Route] = []
        self.narrowed: list[tuple[IndexablePattern, Route]] = []
        self._index: PatternIndex[Route] | None = None

    def find(self, document: Callable[[], dict[str, Any]]) -> Iterator[Route]:
        yield from self.plain
        if self.narrowed:
            if self._index is None:
                self._index = PatternIndex(self.narrowed, compact=held)
            yield from self._index.find(document())


class Routes:
    """The subscriptions of one tenant at one version."""

    __slots__ = ("_buckets", "kept", "version")

    def __init__(
        self,
        version: int,
        subscriptions: Iterable[tuple[Route, Iterable[str]]] = (),
        kept: dict[UUID, Kept] | None = None,
    ) -> None:
        self.version = version
        self.kept = kept or {}
        self._buckets: dict[str, _Bucket] = {}
        for route, event_types in subscriptions:
            for name in dict.fromkeys(event_types):
                bucket = self._buckets.setdefault(name, _Bucket())
                if route.pattern is None:
                    bucket.plain.append(route)
                else:
                    bucket.narrowed.append((route.pattern, route))

    def names(self, event_type: str) -> bool:
        """Whether a subscription names this type, whatever its pattern says."""
        return any(name in self._buckets for name in names_for(event_type))

    def find(self, event_type: str, document: Callable[[], dict[str, Any]]) -> list[Route]:
        """The routes of an event, one per endpoint at most: its oldest subscription that wants it.

        ``document`` gives the event as its patterns see it; it is called only if one has to look.
        """
        found: dict[UUID, Route] = {}
        for name in names_for(event_type):
            bucket = self._buckets.get(name)
            if bucket is None:
                continue
            for route in bucket.find(document):
                known = found.get(route.endpoint_id)
                if known is None or route.subscription_id < known.subscription_id:
                    found[route.endpoint_id] = route
        return list(found.values())


def names_for(event_type: str) -> Iterator[str]:
    """What a subscription may have written to get this type: its name, ``a.b.*`` and ``a.*`` above it, ``*``.

    The platform's own events go only to those who ask for them by ``waypost.*`` or by name."""
    yield event_type
    dot = event_type.rfind(".")
    while dot > 0:
        yield event_type[:dot] + ".*"
        dot = event_type.rfind(".", 0, dot)
    if not event_type.startswith(OPERATIONAL):
        yield "*"
