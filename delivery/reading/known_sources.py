"""Tell a source of events from a misspelt one, as far as a look at the latest events can tell."""

from uuid import UUID

from delivery.sql.reading import latest_sources

MAX_EVENTS = 2_000  # latest events that are looked at; of a tenant with more, no source is refused
MAX_SHOWN = 10  # sources that a message lists


def source_objection(tenant_id: UUID, source: str) -> str:
    """Return what is wrong with a filter by a source that no event of the tenant has.

    Empty if an event has it, if the tenant has no events, and if it has more than MAX_EVENTS.
    """
    sources, events = latest_sources(tenant_id, MAX_EVENTS)
    if not sources or source in sources or events >= MAX_EVENTS:
        return ""
    shown = ", ".join(sources[:MAX_SHOWN])
    more = f" and {len(sources) - MAX_SHOWN} more" if len(sources) > MAX_SHOWN else ""
    return f"No event has this source; choose from: {shown}{more}."
