"""Read what became of the deliveries of endpoints and subscriptions, hour by hour (``delivery_hours``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from delivery.figures.delivery_hours import BOUNDS
from delivery.models import CountedHour, DeliveryHour
from delivery.sending.attempt_stats import percentile

NUMBERS = ("matched", "created", "attempts", "retries", "throttled", "failed", "delivered", "dead")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A number of deliveries that took up to so many milliseconds, and longer than those of the bucket before."""

    up_to_ms: int
    count: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """How long something took. ``counts``: by bucket of BOUNDS."""

    counts: Sequence[int] = ()

    @property
    def percentiles(self) -> dict[str, int | None]:
        """Percentiles in milliseconds; None without anything."""
        return {f"p{percent}": percentile(self.counts, percent / 100, BOUNDS) for percent in (50, 95, 99)}

    @property
    def buckets(self) -> list[Bucket]:
        """The buckets that are not empty."""
        return [Bucket(bound, count) for bound, count in zip(BOUNDS, self.counts, strict=False) if count]


@dataclass(frozen=True, slots=True)
class DeliveryStats:
    """The outcome of the deliveries that were created in a period.

    ``numbers``: by the names NUMBERS. ``is_counted``: False if no hour of the period is counted yet.
    """

    begins_at: datetime
    is_counted: bool
    numbers: Mapping[str, int]
    first_attempt: Histogram = Histogram()
    delivery: Histogram = Histogram()


def delivery_stats(scope_ids: Sequence[UUID], hours: int, now: datetime) -> list[DeliveryStats]:
    """Return the last ``hours`` hours of these endpoints or subscriptions together, oldest first.

    Those without deliveries, and the present one, are included.
    """
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    begins = [last - timedelta(hours=back) for back in range(hours - 1, -1, -1)]
    period = {"begins_at__range": (begins[0], last)}
    counted = set(CountedHour.objects.filter(**period, passes__gt=0).values_list("begins_at", flat=True))
    found: dict[datetime, list[DeliveryStats]] = {}
    for row in DeliveryHour.objects.filter(scope_id__in=scope_ids, **period).iterator():
        found.setdefault(row.begins_at, []).append(_stats(row))
    return [
        total_of(found[it], it) if it in found else DeliveryStats(it, it in counted, dict.fromkeys(NUMBERS, 0))
        for it in begins
    ]


def total_of(periods: Sequence[DeliveryStats], begins_at: datetime) -> DeliveryStats:
    """Add periods up."""
    return DeliveryStats(
        begins_at,
        any(it.is_counted for it in periods),
        {name: sum(it.numbers[name] for it in periods) for name in NUMBERS},
        _sum([it.first_attempt for it in periods]),
        _sum([it.delivery for it in periods]),
    )


def _stats(row: DeliveryHour) -> DeliveryStats:
    numbers = {name: getattr(row, name) for name in NUMBERS}
    return DeliveryStats(row.begins_at, True, numbers, Histogram(row.first_attempts), Histogram(row.deliveries))


def _sum(histograms: Sequence[Histogram]) -> Histogram:
    sums = [0] * len(BOUNDS)
    for it in histograms:
        for place, count in enumerate(it.counts[: len(sums)]):
            sums[place] += count
    return Histogram(sums)
