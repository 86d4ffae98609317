"""Count attempts by endpoint and hour as they end, so that statistics need no scan of the attempts table; sum them up.

A drain counts in memory (a microsecond or two for an attempt) and writes the counts every few seconds, for all its
endpoints together: to the hour of each endpoint, and to the figures of its five minutes, of its tenant and of the
platform. These are figures to look at, not records: counts that a killed drain has not written are lost.

Latencies are kept as a histogram whose bounds grow by a quarter of a power of two. Histograms of several hours add up,
and percentiles computed from them are off by less than a fifth.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from delivery.models import PLATFORM, Figures, HourlyStats
from delivery.sql.figures.counts import FiguresRow, add_figures, tenants_of
from delivery.sql.figures.hourly_stats import add_attempt_stats
from delivery.transports.outcome import Failure, Outcome
from webhooks.kit.hourly_counts import HourlyCounts

KEPT_FOR = timedelta(days=62)  # a month, and the month before it to compare with
COUNTED_BY = 300  # seconds: the shortest period of the figures
MAX_TENANTS_KEPT = 50_000  # endpoints whose tenant a process remembers
BOUNDS = [round(2 ** (step / 4)) for step in range(61)]  # milliseconds from 1 to 32,768; the last takes all longer ones
_BUCKET = bytes(min(bisect_left(BOUNDS, ms), len(BOUNDS) - 1) for ms in range(BOUNDS[-1] + 1))


@dataclass(slots=True)
class AttemptCounts:
    """Count the attempts of one endpoint in one period. ``latencies``: attempts by bucket of BOUNDS.

    ``failures``: those that failed by HTTP status, or by class of failure where there was no response.
    """

    attempts: int = 0
    delivered: int = 0
    rejected: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * len(BOUNDS))
    failures: Counter[str] = field(default_factory=Counter)
    last_failure: Outcome | None = None

    def add(self, outcome: Outcome) -> None:
        """Count one ended attempt."""
        self.attempts += 1
        if outcome.failure is not Failure.UNKNOWN:  # of a crashed worker: nothing was measured
            self.latencies[_BUCKET[min(outcome.duration_ms, BOUNDS[-1])]] += 1
        if outcome.delivered:
            self.delivered += 1
        else:
            self.failures[str(outcome.status or outcome.failure)] += 1
            self.last_failure = outcome
            self.rejected += outcome.rejected

    def merge(self, other: "AttemptCounts") -> None:
        """Add later counts."""
        self.attempts += other.attempts
        self.delivered += other.delivered
        self.rejected += other.rejected
        self.latencies = [one + more for one, more in zip(self.latencies, other.latencies, strict=True)]
        self.failures.update(other.failures)
        self.last_failure = other.last_failure or self.last_failure


class AttemptStats:
    """Hold the counts that one drain has not written yet."""

    def __init__(self) -> None:
        self._counts = HourlyCounts(AttemptCounts, _upsert, seconds=COUNTED_BY)

    def add(self, endpoint_id: UUID, outcomes: Sequence[Outcome]) -> None:
        """Count ended attempts to one endpoint."""
        self._counts.add_all(endpoint_id, [(outcome, outcome.started_at) for outcome in outcomes])

    def write(self) -> None:
        """Write the counts. Raises django.db.Error, and then keeps them for the next call."""
        self._counts.write()


Counted = tuple[UUID, datetime, AttemptCounts]  # of an endpoint, in the period that begins then
_tenants: dict[UUID, UUID] = {}  # of endpoints; an endpoint never changes its tenant


def _upsert(rows: Sequence[Counted]) -> None:
    hours: dict[tuple[UUID, datetime], AttemptCounts] = {}
    for endpoint_id, begins_at, counts in rows:
        hours.setdefault((endpoint_id, begins_at.replace(minute=0)), AttemptCounts()).merge(counts)
    with transaction.atomic():
        add_attempt_stats([_row(*key, counts) for key, counts in hours.items()])
        add_figures(_figures(rows))


def _row(endpoint_id: UUID, hour: datetime, counts: AttemptCounts) -> tuple[Any, ...]:
    failure = counts.last_failure
    return (
        endpoint_id,
        hour,
        counts.attempts,
        counts.delivered,
        counts.rejected,
        _array(counts.latencies),
        orjson.dumps(counts.failures).decode(),
        (failure.failure or "") if failure else "",
        failure.status if failure else None,
        datetime.fromtimestamp(failure.started_at, UTC) if failure else None,
    )


def _figures(rows: Sequence[Counted]) -> list[FiguresRow]:
    """Return the counts of each endpoint, and their sums by tenant and of the platform, for the figures."""
    scope, length = Figures.Scope, Figures.Length
    sums: dict[tuple[str, UUID, UUID | None, int, datetime], AttemptCounts] = {}
    tenants = _tenants_of([endpoint_id for endpoint_id, _, _ in rows])
    for endpoint_id, begins_at, counts in rows:
        if (tenant_id := tenants.get(endpoint_id)) is None:
            continue
        hour = begins_at.replace(minute=0)
        for key in (
            (scope.ENDPOINT.value, endpoint_id, tenant_id, length.FIVE_MINUTES.value, begins_at),
            (scope.TENANT.value, tenant_id, tenant_id, length.FIVE_MINUTES.value, begins_at),
            (scope.TENANT.value, tenant_id, tenant_id, length.HOUR.value, hour),
            (scope.PLATFORM.value, PLATFORM, None, length.FIVE_MINUTES.value, begins_at),
            (scope.PLATFORM.value, PLATFORM, None, length.HOUR.value, hour),
        ):
            sums.setdefault(key, AttemptCounts()).merge(counts)
    return [
        FiguresRow(
            *key, it.attempts, it.delivered, it.rejected, _array(it.latencies), orjson.dumps(it.failures).decode()
        )
        for key, it in sums.items()
    ]


def _tenants_of(endpoint_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    unknown = [it for it in endpoint_ids if it not in _tenants]
    if unknown:
        if len(_tenants) + len(unknown) > MAX_TENANTS_KEPT:
            _tenants.clear()
            unknown = list(endpoint_ids)
        _tenants.update(tenants_of(unknown))
    return _tenants


def _array(numbers: Sequence[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


@dataclass(frozen=True, slots=True)
class StatsSummary:
    """Summarize the attempts of one or more hours. ``latencies``: attempts by bucket of BOUNDS.

    ``superseded``: deliveries of which newer ones took the place (``sql.keyed.supersede`` counts them). ``failures``:
    failed attempts by HTTP status, or by class of failure.
    """

    begins_at: datetime
    attempts: int
    delivered: int
    latencies: Sequence[int]
    last_error: str = ""
    last_status: int | None = None
    last_failed_at: datetime | None = None
    rejected: int = 0
    superseded: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Attempts that did not deliver."""
        return self.attempts - self.delivered

    @property
    def success_rate(self) -> float | None:
        """Part of the attempts that delivered, from 0 to 1; None without attempts."""
        return round(self.delivered / self.attempts, 4) if self.attempts else None

    @property
    def latency_ms(self) -> dict[str, int | None]:
        """Percentiles of the latency in milliseconds; None without attempts."""
        return {f"p{percent}": percentile(self.latencies, percent / 100) for percent in (50, 95, 99)}


def stats_by_hour(endpoints: Sequence[UUID], hours: int, now: datetime) -> list[StatsSummary]:
    """Return the last ``hours`` hours of these endpoints together, oldest first, also those without attempts.

    The current hour is included.
    """
    begins = _last_hours(hours, now)
    known: dict[datetime, list[StatsSummary]] = {}
    for row in _rows(endpoints, begins):
        known.setdefault(row.begins_at, []).append(summary_of(row))
    return [total_of(known[begin]) if begin in known else StatsSummary(begin, 0, 0, ()) for begin in begins]


def stats_by_endpoint(endpoints: Sequence[UUID], hours: int, now: datetime) -> dict[UUID, list[StatsSummary]]:
    """Return the last ``hours`` hours of each of these endpoints, as ``stats_by_hour`` does, in one query for all."""
    begins = _last_hours(hours, now)
    known = {(row.endpoint_id, row.begins_at): summary_of(row) for row in _rows(endpoints, begins)}
    return {
        endpoint: [known.get((endpoint, begin)) or StatsSummary(begin, 0, 0, ()) for begin in begins]
        for endpoint in endpoints
    }


def _last_hours(hours: int, now: datetime) -> list[datetime]:
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return [last - timedelta(hours=back) for back in range(hours - 1, -1, -1)]


def _rows(endpoints: Sequence[UUID], begins: Sequence[datetime]) -> Iterator[HourlyStats]:
    return HourlyStats.objects.filter(endpoint__in=endpoints, begins_at__range=(begins[0], begins[-1])).iterator()


def summary_of(row: HourlyStats) -> StatsSummary:
    """Return the summary of a row; without latencies if they were not read with it."""
    return StatsSummary(
        row.begins_at,
        row.attempts,
        row.delivered,
        () if "latencies" in row.get_deferred_fields() else row.latencies,
        row.last_error,
        row.last_status,
        row.last_failed_at,
        row.rejected,
        row.superseded,
        row.failures,
    )


def total_of(hours: Sequence[StatsSummary]) -> StatsSummary:
    """Add these hours up; the first of them begins first."""
    latest = max((it for it in hours if it.last_failed_at is not None), key=_failed_at, default=None)
    return StatsSummary(
        begins_at=hours[0].begins_at,
        attempts=sum(it.attempts for it in hours),
        delivered=sum(it.delivered for it in hours),
        latencies=sum_buckets(it.latencies for it in hours),
        last_error=latest.last_error if latest else "",
        last_status=latest.last_status if latest else None,
        last_failed_at=latest.last_failed_at if latest else None,
        rejected=sum(it.rejected for it in hours),
        superseded=sum(it.superseded for it in hours),
        failures=sum_by_kind(it.failures for it in hours),
    )


def _failed_at(summary: StatsSummary) -> float:
    return summary.last_failed_at.timestamp() if summary.last_failed_at else 0.0


def percentile(latencies: Sequence[int], part: float, bounds: Sequence[int] = BOUNDS) -> int | None:
    """Return the milliseconds within which this part (0 to 1) of the attempts ended; None without attempts.

    Attempts are taken to be evenly spread within a bucket. ``bounds``: those of the histogram.
    """
    total = sum(latencies)
    if not total:
        return None
    wanted, passed = part * total, 0
    for place, count in enumerate(latencies):
        if count and passed + count >= wanted:
            low = bounds[place - 1] if place else 0
            return round(low + (bounds[place] - low) * (wanted - passed) / count)
        passed += count
    return bounds[-1]


def delete_old_stats(now: datetime) -> int:
    """Delete the hours that began more than KEPT_FOR ago. Return how many."""
    return HourlyStats.objects.filter(begins_at__lt=now - KEPT_FOR).delete()[0]


def sum_by_kind(some: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Add up numbers by their kind, such as failures by HTTP status."""
    total: Counter[str] = Counter()
    for numbers in some:
        total.update(numbers)
    return total


def sum_buckets(histograms: Iterable[Sequence[int]]) -> list[int]:
    """Add histograms up, bucket by bucket."""
    sums = [0] * len(BOUNDS)
    for latencies in histograms:
        for place, count in enumerate(latencies[: len(sums)]):
            sums[place] += count
    return sums
