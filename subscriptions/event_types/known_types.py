"""Find out whether a type is in the catalogue, from the snapshot of the event types in memory (``schema_check``).

The catalogue of a tenant has the platform's types, the tenant's own, and the operational ones. The names of a tenant
are loaded when they are first needed; a statement is executed only after a type was changed.
"""

from uuid import UUID

from subscriptions.event_types.json_schema.schema_check import MAX_CACHED_CHECKS, Snapshot, current_snapshot
from subscriptions.event_types.models import EventType
from subscriptions.event_types.operational import TYPES
from webhooks.wire.errors import did_you_mean


def is_known(tenant_id: UUID, name: str) -> bool:
    """Return whether the type is in the catalogue of the tenant."""
    snapshot = current_snapshot()
    return name in TYPES or name in _names(snapshot, None) or name in _names(snapshot, tenant_id)


def resembling(tenant_id: UUID, name: str) -> str:
    """Return ``did you mean "order.paid"?`` for a name that resembles a type in the catalogue; empty otherwise."""
    snapshot = current_snapshot()
    return did_you_mean(name, {*TYPES, *_names(snapshot, None), *_names(snapshot, tenant_id)})


def _names(snapshot: Snapshot, owner: UUID | None) -> frozenset[str]:
    names = snapshot.known.get(owner)
    if names is None:
        if len(snapshot.known) >= MAX_CACHED_CHECKS:
            snapshot.known.clear()
        names = frozenset(EventType.objects.filter(tenant=owner).values_list("name", flat=True))
        snapshot.known[owner] = names
    return names
