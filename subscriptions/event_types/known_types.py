"""Find out whether a type is in the catalogue, from the snapshot of the event types in memory (``schema_check``).

The catalogue of a tenant has the platform's types, the tenant's own, and the operational ones. The names of a tenant
are loaded when they are first needed; a statement is executed only after a type was changed.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from uuid import UUID

from subscriptions.event_types.json_schema.schema_check import MAX_CACHED_CHECKS, KnownNames, current_snapshot
from subscriptions.event_types.models import EventType
from subscriptions.event_types.operational import TYPES
from webhooks.wire.errors import did_you_mean

NEIGHBOURS = 2  # on each side: comparing two names of 64 characters may take half a millisecond


def is_known(tenant_id: UUID, name: str) -> bool:
    """Return whether the type is in the catalogue of the tenant."""
    return name in TYPES or name in _names(None).all or name in _names(tenant_id).all


def resembling(tenant_id: UUID, name: str) -> str:
    """Return ``did you mean "order.paid"?`` for a name that resembles a type in the catalogue; empty otherwise.

    Names that begin or end alike are compared: a tenant may have thousands, and publish a thousand unknown ones at
    once.
    """
    near = [*_near(_names(None), name), *_near(_names(tenant_id), name)]
    return did_you_mean(name, {*TYPES, *near})


def _near(names: KnownNames, name: str) -> Iterator[str]:
    """Yield the names beside this one in the order of their beginnings, and in that of their ends."""
    yield from _beside(names.by_beginning, name.lower())
    yield from _beside(names.by_end, name.lower()[::-1])


def _beside(ordered: Sequence[tuple[str, str]], key: str) -> Iterator[str]:
    place = bisect_left(ordered, (key,))
    return (name for _, name in ordered[max(place - NEIGHBOURS, 0) : place + NEIGHBOURS])


def _names(owner: UUID | None) -> KnownNames:
    known = current_snapshot().known
    names = known.get(owner)
    if names is None:
        if len(known) >= MAX_CACHED_CHECKS:
            known.clear()
        names = known[owner] = KnownNames.of(EventType.objects.filter(tenant=owner).values_list("name", flat=True))
    return names
