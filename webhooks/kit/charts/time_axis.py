"""Divide the last hour, day, week, month or year into the periods of a chart, in the time zone of the viewer.

PURE: the present time is passed in.

    hour    12 periods of five minutes
    day     24 hours
    week    28 quarters of days: 0, 6, 12 and 18 o'clock
    month   30 days
    year    52 weeks, which begin on Monday in UTC

The last period is the current one. Days and quarters begin by the clock of the zone: on the day of a clock change one
of them is an hour longer or shorter. Counts are by hours of UTC, so where the zone differs from it by half an hour, a
day begins half an hour later.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

PERIODS = ("hour", "day", "week", "month", "year")
FIVE_MINUTES, HOUR, DAY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)
QUARTERS = (0, 6, 12, 18)  # o'clock
WEEKS = 52
FINE_TICKS = 4  # labelled edges of a fine axis


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled edge: the begin of the period with this number."""

    number: int
    label: str


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Periods from one edge to the next, and those of the time before, one for each.

    ``edges`` and ``previous`` are in UTC, one more than there are periods.
    """

    name: str
    zone: ZoneInfo
    edges: Sequence[datetime]
    previous: Sequence[datetime]
    ticks: Sequence[Tick]

    @property
    def begins_at(self) -> datetime:
        """Return the begin of the first period."""
        return self.edges[0]

    def label(self, number: int) -> str:
        """Return the name of a period, such as "Mon 23 Nov 14:00 to 15:00"."""
        begin, end = (self.edges[it].astimezone(self.zone) for it in (number, number + 1))
        if self.name == "month":
            return f"{begin:%a %-d %b}"
        if self.name == "year":
            return f"{begin:%-d %b %Y} to {end - DAY:%-d %b}"
        day = "" if self.name == "hour" else f"{begin:%a %-d %b} "
        return f"{day}{begin:%H:%M} to {end:%H:%M}"


def time_axis(name: str, now: datetime, zone: ZoneInfo) -> TimeAxis:
    """Return the periods of the last hour, day, week, month or year, up to the one that contains ``now``."""
    if name in ("hour", "day"):
        step, count = (FIVE_MINUTES, 12) if name == "hour" else (HOUR, 24)
        seconds = int(step.total_seconds())
        end = datetime.fromtimestamp((int(now.timestamp()) // seconds + 1) * seconds, UTC)
        edges = [end - step * back for back in range(count, -1, -1)]
        previous = [it - step * count for it in edges]
    elif name == "year":
        monday = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
        monday += timedelta(days=7 - monday.weekday())
        edges = [monday - timedelta(weeks=back) for back in range(WEEKS, -1, -1)]
        previous = [it - timedelta(weeks=WEEKS) for it in edges]
        zone = ZoneInfo("UTC")
    else:
        days = 7 if name == "week" else 30
        hours = QUARTERS if name == "week" else (0,)
        last = now.astimezone(zone).date()
        edges = _local_edges(last, days, hours, zone, now)
        previous = _local_edges(last - timedelta(days=days), days, hours, zone, None)[: len(edges)]
    return TimeAxis(name, zone, edges, previous, list(_ticks(name, edges, zone)))


def fine_axis(length: timedelta, step: timedelta, now: datetime, zone: ZoneInfo) -> TimeAxis:
    """Return the steps of the time up to ``now``, for values that are kept for each minute; it has no time before."""
    seconds = int(step.total_seconds())
    end = datetime.fromtimestamp((int(now.timestamp()) // seconds + 1) * seconds, UTC)
    count = length // step
    edges = [end - step * back for back in range(count, -1, -1)]
    marked = range(0, count, count // FINE_TICKS)
    ticks = [Tick(number, f"{edges[number].astimezone(zone):%H:%M}") for number in marked]
    return TimeAxis("hour", zone, edges, [], ticks)


def _local_edges(last: date, days: int, hours: Sequence[int], zone: ZoneInfo, now: datetime | None) -> list[datetime]:
    """Return the edges at these hours of the days up to ``last``, without periods that begin after ``now``."""
    first = last - timedelta(days=days - 1)
    moments = [(first + timedelta(days=day), hour) for day in range(days) for hour in hours]
    edges = [_full_hour(datetime.combine(day, time(hour), zone)) for day, hour in (*moments, (last + DAY, 0))]
    if now is None:
        return edges
    begun = sum(it <= now for it in edges)
    return edges[: begun + 1]


def _full_hour(moment: datetime) -> datetime:
    """Return the first full hour (UTC) at or after a moment."""
    seconds = -(-int(moment.timestamp()) // 3600) * 3600
    return datetime.fromtimestamp(seconds, UTC)


def _ticks(name: str, edges: Sequence[datetime], zone: ZoneInfo) -> Iterator[Tick]:
    previous: datetime | None = None
    for number, edge in enumerate(edges[:-1]):
        at = edge.astimezone(zone)
        if name == "hour" and at.minute % 15 == 0:
            yield Tick(number, f"{at:%H:%M}")
        elif name == "day" and at.hour % 6 == 0:
            yield Tick(number, f"{at:%H:%M}" if at.hour else f"{at:%-d %b}")
        elif name == "week" and (previous is None or at.date() != previous.date()) and at.hour < QUARTERS[1]:
            yield Tick(number, f"{at:%a}")
        elif name == "month" and number % 7 == 2:
            yield Tick(number, f"{at:%-d %b}")
        elif name == "year" and previous is not None and at.month != previous.month and at.month % 2:
            yield Tick(number, f"{at:%b}")
        previous = at
