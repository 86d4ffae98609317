"""Tell a schedule that was deleted from one that never was, as far as a limited number of events can tell."""

from uuid import UUID

from delivery.sql.reading import walk_event_ids

MAX_EVENTS = 20_000  # latest events that are looked at, as many as a page reads; with more, no schedule is refused


def may_have_published(tenant_id: UUID, public_id: str) -> bool:
    """Return whether an event of the tenant is one of this schedule, or cannot be told not to be."""
    is_found, events = walk_event_ids(tenant_id, f"{public_id}-", MAX_EVENTS + 1)
    return is_found or events > MAX_EVENTS
