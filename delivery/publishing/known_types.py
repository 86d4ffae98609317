"""Tell event types that exist from misspelt ones: types of the catalogue, and types that were published before."""

from uuid import UUID

from delivery.sql.figures.usage import was_published
from subscriptions.event_types.known_types import is_known, resembling
from webhooks.kit.rows import is_type_prefix


def objection(tenant_id: UUID, pattern: str) -> str:
    """Return what is wrong with a filter by a type that no event of the tenant has or may be expected to have.

    Empty if the type is in the catalogue or was published before, and for ``order.*`` and ``*``, which name no type.
    """
    if is_type_prefix(pattern) or is_known(tenant_id, pattern) or was_published(tenant_id, pattern):
        return ""
    meant = resembling(tenant_id, pattern)
    return f"No event type of this name is in the catalogue, and none was published{f'; {meant}' if meant else '.'}"
