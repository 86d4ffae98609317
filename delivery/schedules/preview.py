"""Preview the occurrences of an expression, without a schedule."""

from datetime import datetime
from itertools import islice
from typing import NamedTuple

from delivery.models import Schedule
from delivery.schedules.timing import first_occurrence, occurrences_of

SHOWN = 10  # occurrences


class PreviewedOccurrence(NamedTuple):
    """An occurrence: in UTC, and as clocks in the time zone show it, with their offset."""

    at: datetime
    local: str


class Preview(NamedTuple):
    """The next occurrences, and the seconds between the closest of them (None: there is one)."""

    occurrences: list[PreviewedOccurrence]
    shortest_interval_seconds: int | None


def preview(schedule: Schedule, after: datetime) -> Preview:
    """Return the next occurrences of a schedule, which need not be stored. Raises Invalid if there are none."""
    first_occurrence(schedule, after, None)
    occurrences = occurrences_of(schedule)
    shown = [
        PreviewedOccurrence(at, at.astimezone(occurrences.zone).isoformat())
        for at in islice(occurrences.after(after), SHOWN)
    ]
    shortest = occurrences.shortest_interval(after)
    return Preview(shown, None if shortest is None else int(shortest.total_seconds()))
