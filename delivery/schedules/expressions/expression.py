"""Read an expression and compute its occurrences.

    at(2030-12-24T18:00:00)      once, at this local time
    2030-12-24T18:00:00+01:00    once, at this instant (RFC 3339)
    rate(5 minutes)              at an interval from a start on: minutes, hours or days of 24 hours
    cron(0 10 ? * MON-FRI *)     the six fields of Amazon EventBridge Scheduler
    0 10 * * 1-5                 the five fields of a crontab

A local time that clocks skip has no occurrence, and one that they show twice has one, the first: as EventBridge.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from typing import Protocol
from zoneinfo import ZoneInfo

from delivery.schedules.expressions.cron import FIVE_FIELDS, Cron, read_five_fields, read_six_fields
from delivery.schedules.expressions.cron_fields import FIRST_YEAR, LAST_YEAR
from delivery.schedules.expressions.errors import InvalidExpression
from delivery.schedules.expressions.zones import instant_of, local_time

MAX_LENGTH = 256  # characters of an expression
SAMPLE = 300  # occurrences in which the shortest interval is looked for; every gap of a day's pattern is among them
MAX_RATE = timedelta(days=366)
LAST_INSTANT = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
EXAMPLES = "at(2030-12-24T18:00:00), rate(5 minutes), cron(0 10 ? * MON-FRI *), 0 10 * * 1-5, 2030-12-24T18:00:00Z"

_CALL = re.compile(r"(at|rate|cron)\((.*)\)\Z", re.DOTALL)
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?\Z")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})\Z"
)
_RATE = re.compile(r"\s*([0-9]{1,6})\s+(minute|hour|day)s?\s*\Z")


class Expression(Protocol):
    """The occurrences of an expression. ``anchor``: where a rate begins."""

    def next_after(self, instant: datetime, zone: ZoneInfo, anchor: datetime, /) -> datetime | None:
        """Return the first occurrence after an instant, in UTC, or None if there is none."""


@dataclass(frozen=True, slots=True)
class At:
    """Once, at a local time, or (with an offset) at an instant."""

    time: datetime

    def next_after(self, instant: datetime, zone: ZoneInfo, _anchor: datetime, /) -> datetime | None:
        """Return the time, if it is later than the instant and exists in the zone."""
        found = instant_of(self.time, zone) if self.time.tzinfo is None else self.time.astimezone(UTC)
        return found if found is not None and found > instant else None


@dataclass(frozen=True, slots=True)
class Rate:
    """At an interval, the first time at the anchor."""

    interval: timedelta

    def next_after(self, instant: datetime, _zone: ZoneInfo, anchor: datetime, /) -> datetime | None:
        """Return the first multiple of the interval after the instant."""
        if instant < anchor:
            return anchor
        found = anchor + ((instant - anchor) // self.interval + 1) * self.interval
        return found if found < LAST_INSTANT else None


@dataclass(frozen=True, slots=True)
class CronTimes:
    """At the local times of a cron expression."""

    cron: Cron

    def next_after(self, instant: datetime, zone: ZoneInfo, _anchor: datetime, /) -> datetime | None:
        """Return the first local time after the instant that clocks show for the first time."""
        local: datetime | None = local_time(instant, zone)
        while local is not None:
            local = self.cron.next_local(local)
            found = None if local is None else instant_of(local, zone)
            if found is not None and found > instant:
                return found
        return None


@lru_cache(maxsize=4096)
def read(text: str) -> Expression:
    """Read an expression. Raises InvalidExpression, which names the part that is wrong."""
    if len(text) > MAX_LENGTH:
        raise InvalidExpression(f"Must not be longer than {MAX_LENGTH} characters.")
    found = _CALL.match(text.strip())
    if found is not None:
        kind, inner = found.groups()
        if kind == "cron":
            return CronTimes(read_six_fields(inner))
        return _read_at(inner) if kind == "at" else _read_rate(inner)
    if _INSTANT.match(text.strip()):
        return At(_read_time(text.strip().upper().replace("Z", "+00:00")))
    if len(text.split()) == FIVE_FIELDS:
        return CronTimes(read_five_fields(text))
    raise InvalidExpression(f"Unknown expression; give one of these forms: {EXAMPLES}.")


def _read_at(text: str) -> At:
    if not _LOCAL.match(text):
        raise InvalidExpression("at(...) has a local time without an offset: at(2030-12-24T18:00:00).")
    return At(_read_time(text))


def _read_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            time = time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidExpression(f"There is no time {text[:40]}; give one such as 2030-12-24T18:00:00.") from None
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise InvalidExpression(f"The year must be from {FIRST_YEAR} to {LAST_YEAR}.")
    return time


def _read_rate(text: str) -> Rate:
    found = _RATE.match(text)
    if found is None or int(found[1]) == 0:
        raise InvalidExpression("rate(...) has a number from 1 and minutes, hours or days: rate(5 minutes).")
    interval = timedelta(**{f"{found[2]}s": int(found[1])})
    if interval > MAX_RATE:
        raise InvalidExpression("The interval of rate(...) must be at most 366 days.")
    return Rate(interval)


@dataclass(frozen=True, slots=True)
class Occurrences:
    """The occurrences of an expression in a zone, between a start and an end (both included, None: open).

    ``created_at``: where a rate without a start begins.
    """

    expression: Expression
    zone: ZoneInfo
    created_at: datetime
    start_at: datetime | None = None
    end_at: datetime | None = None

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first occurrence after an instant, or None if there is none."""
        if self.start_at is not None:
            instant = max(instant, self.start_at - timedelta(microseconds=1))
        found = self.expression.next_after(instant, self.zone, self.start_at or self.created_at)
        return None if found is None or (self.end_at is not None and found > self.end_at) else found

    def after(self, instant: datetime) -> Iterator[datetime]:
        """Yield all occurrences after an instant."""
        found = self.next_after(instant)
        while found is not None:
            yield found
            found = self.next_after(found)

    def latest_until(self, instant: datetime, since: datetime) -> datetime:
        """Return the last occurrence until an instant, ``since`` (an occurrence) if no later one is.

        The window before the instant is doubled until it has an occurrence, so that years of minutes are not walked.
        """
        window = timedelta(minutes=1)
        while instant - window > since:
            found = self.next_after(instant - window)
            if found is not None and found <= instant:
                return self._walk(found, instant)
            window *= 2
        return self._walk(since, instant)

    def _walk(self, found: datetime, until: datetime) -> datetime:
        for later in self.after(found):
            if later > until:
                break
            found = later
        return found

    def shortest_interval(self, instant: datetime) -> timedelta | None:
        """Return the shortest time between two occurrences after an instant; None if there is at most one.

        A day on which clocks change counts as one of 24 hours.
        """
        sample = islice(self.after(instant), SAMPLE)
        return min((self._interval(earlier, later) for earlier, later in pairwise(sample)), default=None)

    def _interval(self, earlier: datetime, later: datetime) -> timedelta:
        return max(later - earlier, local_time(later, self.zone) - local_time(earlier, self.zone))
