"""Compute the local times that a cron expression selects.

Own code, since the libraries lack ``?``, ``W`` and years, and fire in hours that clocks skip or repeat; EventBridge
does neither. A walk over local times, which ``expression`` converts to instants, decides both in one place.
"""

from bisect import bisect_left
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from delivery.schedules.expressions import cron_fields as fields
from delivery.schedules.expressions.cron_fields import Days
from delivery.schedules.expressions.errors import InvalidExpression

MINUTE = timedelta(minutes=1)
SIX = "minutes hours day-of-month month day-of-week year"
SIX_FIELDS, FIVE_FIELDS = 6, 5


@dataclass(frozen=True, slots=True)
class Cron:
    """The local times, to the minute, that match each field."""

    times: tuple[tuple[int, int], ...]  # hours and minutes of a day, in order
    days: Days
    months: frozenset[int]
    years: tuple[int, ...]  # in order

    def next_local(self, after: datetime) -> datetime | None:
        """Return the first local time after this one, or None if there is none."""
        start = after.replace(second=0, microsecond=0) + MINUTE
        for year in self.years[bisect_left(self.years, start.year) :]:
            for month in range(1, 13):
                if month not in self.months or (year, month) < (start.year, start.month):
                    continue
                for day in _days_of_month(self.days, year, month):
                    found = self._in_day(datetime(year, month, day), start)
                    if found is not None:
                        return found
        return None

    def _in_day(self, day: datetime, start: datetime) -> datetime | None:
        """Return the first time of a day from ``start`` on."""
        if day.date() < start.date():
            return None
        earliest = (start.hour, start.minute) if day.date() == start.date() else (0, 0)
        place = bisect_left(self.times, earliest)
        if place == len(self.times):
            return None
        hour, minute = self.times[place]
        return day.replace(hour=hour, minute=minute)


@lru_cache(maxsize=16_384)
def _days_of_month(days: Days, year: int, month: int) -> tuple[int, ...]:
    first, length = monthrange(year, month)  # as calendar counts, Monday is 0
    return tuple(sorted(days(length, (first + 1) % fields.DAYS_OF_WEEK)))


def read_six_fields(text: str) -> Cron:
    """Read the fields between the brackets of ``cron(...)``, as EventBridge. Raises InvalidExpression."""
    given = text.split()
    if len(given) != SIX_FIELDS:
        hint = "; a crontab line of five fields is written without cron()" if len(given) == FIVE_FIELDS else ""
        raise InvalidExpression(f"cron(...) has six fields: {SIX}; this one has {len(given)}{hint}.")
    minutes, hours, of_month, months, of_week, years = given
    if (of_month == "?") == (of_week == "?"):
        raise InvalidExpression("One of the day-of-month and day-of-week fields must be ?: cron(0 10 ? * MON-FRI *).")
    days = fields.read_days_of_month(of_month) if of_week == "?" else fields.read_days_of_week(of_week)
    return _cron(minutes, hours, days, months, fields.read_values(fields.YEAR, years))


def read_five_fields(text: str) -> Cron:
    """Read a line of a crontab. Raises InvalidExpression."""
    minutes, hours, of_month, months, of_week = text.split()
    if "?" in (of_month, of_week):
        raise InvalidExpression("? is written in cron(...) with six fields only; a crontab line has * there.")
    days = fields.crontab_days(of_month, of_week)
    return _cron(minutes, hours, days, months, frozenset(range(fields.FIRST_YEAR, fields.LAST_YEAR + 1)))


def _cron(minutes: str, hours: str, days: Days, months: str, years: frozenset[int]) -> Cron:
    in_hour = sorted(fields.read_values(fields.MINUTES, minutes))
    in_day = sorted(fields.read_values(fields.HOURS, hours))
    times = tuple((hour, minute) for hour in in_day for minute in in_hour)
    return Cron(times, days, fields.read_values(fields.MONTH, months), tuple(sorted(years)))
