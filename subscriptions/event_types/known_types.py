"""Find out whether a type is in the catalogue, from the snapshot of the event types in memory (``schema_check``).

The catalogue of a tenant has the platform's types, the tenant's own, and the operational ones. The names of a tenant
are loaded when they are first needed; a statement is executed only after a type was changed.
"""

from collections.abc import Iterator
from uuid import UUID

from subscriptions.event_types.json_schema.schema_check import MAX_CACHED_CHECKS, Snapshot, current_snapshot
from subscriptions.event_types.models import EventType
from subscriptions.event_types.operational import TYPES
from webhooks.kit.rows import is_type_prefix
from webhooks.wire.errors import did_you_mean


def is_known(tenant_id: UUID, name: str) -> bool:
    """Return whether the type is in the catalogue of the tenant; ``order.*``: whether any type below it is."""
    snapshot = current_snapshot()
    catalogue = (TYPES, _names(snapshot, None), _names(snapshot, tenant_id))
    if is_type_prefix(name):
        return any(it.startswith(name[:-1]) for names in catalogue for it in names)
    return any(name in names for names in catalogue)


def resembling(tenant_id: UUID, name: str) -> str:
    """Return ``did you mean "order.paid"?`` for a name that resembles a type in the catalogue; empty otherwise.

    ``name``: one type, or ``order.*``, which is compared with all that types of the catalogue are below.
    """
    snapshot = current_snapshot()
    names = {*TYPES, *_names(snapshot, None), *_names(snapshot, tenant_id)}
    return did_you_mean(name, {above for it in names for above in _above(it)} if is_type_prefix(name) else names)


def _above(name: str) -> Iterator[str]:
    """Yield what selects a type and others beside it: ``order.*`` and ``order.line.*`` of ``order.line.added``."""
    steps = name.split(".")
    return (f"{'.'.join(steps[:count])}.*" for count in range(1, len(steps)))


def _names(snapshot: Snapshot, owner: UUID | None) -> frozenset[str]:
    names = snapshot.known.get(owner)
    if names is None:
        if len(snapshot.known) >= MAX_CACHED_CHECKS:
            snapshot.known.clear()
        names = frozenset(EventType.objects.filter(tenant=owner).values_list("name", flat=True))
        snapshot.known[owner] = names
    return names
