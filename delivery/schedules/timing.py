"""Check when a schedule occurs, and compute its next occurrence and the time at which that is published."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from delivery.models import Schedule
from delivery.schedules.expressions.errors import InvalidExpression, UnknownZone
from delivery.schedules.expressions.expression import LAST_INSTANT, Occurrences, read
from delivery.schedules.expressions.zones import read_zone
from subscriptions.errors import Invalid, LimitExceeded
from subscriptions.models import Plan

FIRST_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
SHORTEST = "min_schedule_interval_seconds"
TIMING = frozenset({"expression", "timezone", "start_at", "end_at", "flexible_window_minutes"})


def occurrences_of(schedule: Schedule) -> Occurrences:
    """Return the occurrences of a schedule. Raises Invalid, which names the field that is wrong."""
    try:
        expression = read(schedule.expression)
    except InvalidExpression as error:
        raise Invalid("expression", str(error)) from None
    try:
        zone = read_zone(schedule.timezone)
    except UnknownZone as error:
        raise Invalid("timezone", str(error)) from None
    for name in ("start_at", "end_at"):
        instant = getattr(schedule, name)
        if instant is not None and not FIRST_INSTANT <= instant < LAST_INSTANT:
            raise Invalid(name, "Must be between 1970 and 2199.")
    if schedule.start_at is not None and schedule.end_at is not None and schedule.end_at < schedule.start_at:
        raise Invalid("end_at", "Must not be before start_at.")
    started = schedule.created_at.replace(microsecond=0)
    return Occurrences(expression, zone, started, schedule.start_at, schedule.end_at)


def first_occurrence(schedule: Schedule, after: datetime, plan: Plan | None) -> datetime:
    """Return the first occurrence after an instant; that is not earlier than the plan's shortest interval allows.

    Raises Invalid if there is none, LimitExceeded if the interval between some is shorter than the plan allows.
    """
    occurrences = occurrences_of(schedule)
    found = occurrences.next_after(after)
    if found is None:
        raise Invalid("expression", _why_never(schedule, occurrences, after))
    shortest = occurrences.shortest_interval(after)
    allowed = None if plan is None else plan.min_schedule_interval_seconds
    if shortest is not None and allowed is not None and shortest < timedelta(seconds=allowed):
        used = int(shortest.total_seconds())
        message = f"The plan allows one occurrence every {allowed} seconds; two of these are {used} seconds apart."
        raise LimitExceeded(SHORTEST, message, allowed=allowed, used=used)
    return found


def _why_never(schedule: Schedule, occurrences: Occurrences, after: datetime) -> str:
    if occurrences.next_after(FIRST_INSTANT - timedelta(days=1)) is not None:
        within = " and until end_at" if schedule.end_at is not None else ""
        return f"Lies in the past: there is no occurrence after {after:%Y-%m-%d %H:%M} UTC{within}."
    if schedule.start_at is not None or schedule.end_at is not None:
        return "Never occurs between start_at and end_at."
    return "Never occurs: no such day exists, or clocks in the time zone skip this time."


def due_at(schedule: Schedule, occurrence: datetime | None) -> datetime | None:
    """Return when the event of an occurrence is published: at its time, or at the schedule's place in the window."""
    return None if occurrence is None else occurrence + place_in_window(schedule.id, schedule.flexible_window_minutes)


def place_in_window(schedule_id: UUID, minutes: int) -> timedelta:
    """Return how long after its time a schedule publishes: always the same, spread evenly over all schedules."""
    if minutes == 0:
        return timedelta()
    return timedelta(seconds=int.from_bytes(sha256(schedule_id.bytes).digest()[:8]) % (minutes * 60))
