"""Count attempts by endpoint and hour as they end, so that nobody ever has to count a large table.

A drain counts in memory (a microsecond or two for an attempt) and writes what has gathered every few seconds, one
statement for all its endpoints. What a drain has not written when it is killed is not counted, and neither are
the attempts that a rescue records: these are figures to look at. The attempts stand in their own rows.

Latencies are kept as a histogram whose bounds grow by a quarter of a power of two: percentiles of any number of hours
follow from the sum, and are off by less than a fifth.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from delivery.models import EndpointHour
from delivery.sql.attempt_stats import add_attempt_stats
from delivery.transports.outcome import Outcome

__all__ = ["Hours", "Summary", "forget_old", "hours_of", "percentile", "summary"]

HOUR = 3600
KEPT = timedelta(days=35)
BOUNDS = [round(2 ** (step / 4)) for step in range(61)]  # milliseconds, from 1 to 32,768; what is longer is in the last
_BUCKET = bytes(min(bisect_left(BOUNDS, ms), len(BOUNDS) - 1) for ms in range(BOUNDS[-1] + 1))


@dataclass(slots=True)
class _Count:
    attempts: int = 0
    delivered: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * len(BOUNDS))
    failed: Outcome | None = None


class Hours:
    """What one drain has counted and not written yet."""

    def __init__(self) -> None:
        self._counts: dict[tuple[UUID, int], _Count] = {}

    def add(self, endpoint_id: UUID, outcome: Outcome) -> None:
        key = endpoint_id, int(outcome.started_at) // HOUR
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count()
        count.attempts += 1
        count.latencies[_BUCKET[min(outcome.duration_ms, BOUNDS[-1])]] += 1
        if outcome.failure is None:
            count.delivered += 1
        else:
            count.failed = outcome

    def write(self) -> None:
        """Write what has gathered. Raises django.db.Error, and then keeps it for the next time."""
        if not self._counts:
            return
        # In the order of their keys, so that two drains that write do not wait for each other in a circle.
        rows = [_row(*key, count) for key, count in sorted(self._counts.items(), key=lambda item: item[0])]
        add_attempt_stats(rows)
        self._counts.clear()


def _row(endpoint_id: UUID, hour: int, count: _Count) -> tuple[Any, ...]:
    failed = count.failed
    return (
        endpoint_id,
        datetime.fromtimestamp(hour * HOUR, UTC),
        count.attempts,
        count.delivered,
        "{" + ",".join(map(str, count.latencies)) + "}",
        (failed.failure or "") if failed else "",
        failed.status if failed else None,
        datetime.fromtimestamp(failed.started_at, UTC) if failed else None,
    )


@dataclass(frozen=True, slots=True)
class Summary:
    """What the attempts of some time came to. Latencies are milliseconds; None where nothing was attempted."""

    begins_at: datetime
    attempts: int
    delivered: int
    latencies: Sequence[int]
    last_error: str = ""
    last_status: int | None = None
    last_failed_at: datetime | None = None

    @property
    def failed(self) -> int:
        return self.attempts - self.delivered

    @property
    def success_rate(self) -> float | None:
        return round(self.delivered / self.attempts, 4) if self.attempts else None

    @property
    def latency_ms(self) -> dict[str, int | None]:
        return {f"p{percent}": percentile(self.latencies, percent / 100) for percent in (50, 95, 99)}


def hours_of(endpoint_id: UUID, hours: int, now: datetime) -> list[Summary]:
    """The last so many hours, the one that runs included, oldest first. Hours without attempts are among them."""
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    begins = [last - timedelta(hours=back) for back in range(hours - 1, -1, -1)]
    known = {
        row.begins_at: Summary(
            row.begins_at,
            row.attempts,
            row.delivered,
            row.latencies,
            row.last_error,
            row.last_status,
            row.last_failed_at,
        )
        for row in EndpointHour.objects.filter(endpoint=endpoint_id, begins_at__range=(begins[0], last))
    }
    return [known.get(begin) or Summary(begin, 0, 0, ()) for begin in begins]


def summary(hours: Sequence[Summary]) -> Summary:
    """All of them together."""
    failed = [it for it in hours if it.last_failed_at is not None]
    latest = failed[-1] if failed else None
    return Summary(
        begins_at=hours[0].begins_at,
        attempts=sum(it.attempts for it in hours),
        delivered=sum(it.delivered for it in hours),
        latencies=_added(it.latencies for it in hours),
        last_error=latest.last_error if latest else "",
        last_status=latest.last_status if latest else None,
        last_failed_at=latest.last_failed_at if latest else None,
    )


def percentile(latencies: Sequence[int], part: float) -> int | None:
    """The milliseconds within which this part of the attempts ended, evenly spread within a bucket."""
    total = sum(latencies)
    if not total:
        return None
    wanted, passed = part * total, 0
    for place, count in enumerate(latencies):
        if count and passed + count >= wanted:
            low = BOUNDS[place - 1] if place else 0
            return round(low + (BOUNDS[place] - low) * (wanted - passed) / count)
        passed += count
    return BOUNDS[-1]


def forget_old(now: datetime) -> int:
    """Hours that nobody looks at any more are removed. How many."""
    return EndpointHour.objects.filter(begins_at__lt=now - KEPT).delete()[0]


def _added(all_of_them: Iterable[Sequence[int]]) -> list[int]:
    sums = [0] * len(BOUNDS)
    for latencies in all_of_them:
        for place, count in enumerate(latencies[: len(sums)]):
            sums[place] += count
    return sums
