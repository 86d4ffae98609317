"""Tell a source of events from a misspelt one, as far as looking at a limited number of events can tell."""

from uuid import UUID

from delivery.sql.reading import latest_sources, walk_sources

MAX_LATEST = 2_000  # latest events, whose sources are listed
MAX_EVENTS = 20_000  # events in all that are looked at, as many as a page reads; with more, no source is refused
MAX_SHOWN = 10  # sources that a message lists


def source_objection(tenant_id: UUID, source: str) -> str:
    """Return what is wrong with a filter by a source that no event of the tenant has.

    Empty if an event has it, if the tenant has no events, and if it has more than MAX_EVENTS.
    """
    sources, events = latest_sources(tenant_id, MAX_LATEST)
    if not sources or source in sources:
        return ""
    if events >= MAX_LATEST:
        has_source, events = walk_sources(tenant_id, source, MAX_EVENTS + 1)
        if has_source or events > MAX_EVENTS:
            return ""
    shown = ", ".join(sources[:MAX_SHOWN])
    more = f" and {len(sources) - MAX_SHOWN} more" if len(sources) > MAX_SHOWN else ""
    return f"No event has this source; choose from: {shown}{more}."
