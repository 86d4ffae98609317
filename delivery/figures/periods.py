"""Read the figures of the platform, a tenant or an endpoint for the periods of a chart.

Every number is a sum of rows that were counted as things happened, found by the unique index on scope, length and
begin: of five minutes for an hour, of hours up to a month, of days for a year, with the hours of the last two days.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from delivery.models import PLATFORM, Figures, HourlyStats
from delivery.sending.attempt_stats import percentile, sum_buckets, sum_by_kind

LENGTH = Figures.Length
ROLLED_UP_AFTER = timedelta(days=1)  # before today: by then the hours of a day are in its row


@dataclass(frozen=True, slots=True)
class Counts:
    """The figures of one period. ``pending`` and ``open_dead_letters``: as last measured in it, None if they were not.

    ``latencies``: attempts by bucket of BOUNDS. ``failures``: failed attempts by HTTP status, or by class of failure.
    """

    begins_at: datetime
    events: int = 0
    deliveries: int = 0
    attempts: int = 0
    delivered: int = 0
    rejected: int = 0
    dead_letters: int = 0
    latencies: Sequence[int] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    pending: int | None = None
    open_dead_letters: int | None = None

    @property
    def failed(self) -> int:
        """Attempts that did not deliver."""
        return self.attempts - self.delivered

    @property
    def success_percent(self) -> float | None:
        """Attempts of a hundred that delivered; None without attempts."""
        return 100 * self.delivered / self.attempts if self.attempts else None

    def latency(self, part: float) -> int | None:
        """Return the milliseconds within which this part (0 to 1) of the attempts ended; None without attempts."""
        return percentile(self.latencies, part)


def total_of(periods: Sequence[Counts], begins_at: datetime) -> Counts:
    """Add periods up; the gauges are those of the last one that has any."""
    gauged = [it for it in periods if it.pending is not None]
    return Counts(
        begins_at,
        events=sum(it.events for it in periods),
        deliveries=sum(it.deliveries for it in periods),
        attempts=sum(it.attempts for it in periods),
        delivered=sum(it.delivered for it in periods),
        rejected=sum(it.rejected for it in periods),
        dead_letters=sum(it.dead_letters for it in periods),
        latencies=sum_buckets(it.latencies for it in periods),
        failures=sum_by_kind(it.failures for it in periods),
        pending=gauged[-1].pending if gauged else None,
        open_dead_letters=gauged[-1].open_dead_letters if gauged else None,
    )


def read_periods(scope_id: UUID, edges: Sequence[datetime], length: int) -> list[Counts]:
    """Return the figures of a scope in each period from one edge to the next, those without rows included.

    ``edges``: ascending, at full periods of ``length`` minutes in UTC.
    """
    rows = sorted(_rows(scope_id, edges[0], edges[-1], length), key=lambda it: it.begins_at)
    found: list[list[Counts]] = [[] for _ in edges[1:]]
    for row in rows:
        found[min(bisect_right(edges, row.begins_at) - 1, len(found) - 1)].append(row)
    periods = [total_of(some, begin) if some else Counts(begin) for some, begin in zip(found, edges, strict=False)]
    return periods if scope_id == PLATFORM else _with_zeros(periods, edges, length)


def length_for(period: str) -> int:
    """Return the length in minutes of the rows that serve the chart of an hour, day, week, month or year."""
    return {"hour": LENGTH.FIVE_MINUTES.value, "year": LENGTH.DAY.value}.get(period, LENGTH.HOUR.value)


def _with_zeros(periods: Sequence[Counts], edges: Sequence[datetime], length: int) -> list[Counts]:
    """Set gauges to zero where the platform was measured and nothing waited for this scope, so that it has no row."""
    measured = Figures.objects.filter(
        scope_id=PLATFORM, length=length, begins_at__gte=edges[0], begins_at__lt=edges[-1], pending__isnull=False
    ).values_list("begins_at", flat=True)
    numbers = {bisect_right(edges, it) - 1 for it in measured}
    return [
        replace(it, pending=0, open_dead_letters=0) if it.pending is None and number in numbers else it
        for number, it in enumerate(periods)
    ]


def _rows(scope_id: UUID, begins_at: datetime, ends_at: datetime, length: int) -> Iterator[Counts]:
    if length != LENGTH.DAY:
        yield from _rows_of(scope_id, begins_at, ends_at, length)
        return
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    recent = min(max(begins_at, today - ROLLED_UP_AFTER), ends_at)
    yield from _rows_of(scope_id, begins_at, recent, LENGTH.DAY)
    yield from _rows_of(scope_id, recent, ends_at, LENGTH.HOUR)


def _rows_of(scope_id: UUID, begins_at: datetime, ends_at: datetime, length: int) -> Iterable[Counts]:
    rows = Figures.objects.filter(scope_id=scope_id, length=length, begins_at__gte=begins_at, begins_at__lt=ends_at)
    yield from (_counts(it) for it in rows)
    if length == LENGTH.HOUR:  # the hours of an endpoint; the figures have only its gauges of an hour
        hours = HourlyStats.objects.filter(endpoint=scope_id, begins_at__gte=begins_at, begins_at__lt=ends_at)
        yield from (
            Counts(
                it.begins_at,
                attempts=it.attempts,
                delivered=it.delivered,
                rejected=it.rejected,
                latencies=it.latencies,
                failures=it.failures,
            )
            for it in hours
        )


def _counts(row: Figures) -> Counts:
    return Counts(
        row.begins_at,
        row.events,
        row.deliveries,
        row.attempts,
        row.delivered,
        row.rejected,
        row.dead_letters,
        row.latencies,
        row.failures,
        row.pending,
        row.open_dead_letters,
    )
