"""How a source stands: what came hour by hour, what waits now, what is dead now. Cheap at any size of the tables.

What came is read from the hours that were counted as it came (``tally``). What waits and what is dead is counted
where the index holds nothing else, and no further than ``MOST_COUNTED``: beyond it, it is "at least".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q
from django.utils import timezone

from webhooks.kit.hourly_counts import KINDS
from webhooks.models import Receipt, Source, SourceHour

MOST_COUNTED = 10_000  # rows, of all sources together
MOST_HOURS = 90 * 24  # see sweep.HOUR_DAYS

STATES = {
    "pending": Q(due_at__isnull=False),
    "processed": Q(processed_at__isnull=False, due_at__isnull=True),
    "dead": Q(dead_at__isnull=False),
}


@dataclass(frozen=True, slots=True)
class CurrentCounts:
    """Pending and dead receipts; ``is_lower_bound``: counting stopped at its limit, and there may be more."""

    pending: int
    dead: int
    is_lower_bound: bool


def current_counts(source: Source) -> CurrentCounts:
    """What waits and what is dead at this moment."""
    pending, dead = (_counted(source, STATES[state]) for state in ("pending", "dead"))
    return CurrentCounts(pending[0], dead[0], pending[1] or dead[1])


def hourly_counts(source: Source, count: int) -> list[SourceHour]:
    """The last so many hours, oldest first, the present one included; an hour without a row is one of zeros."""
    last = timezone.now().replace(minute=0, second=0, microsecond=0)
    moments = [last - timedelta(hours=back) for back in reversed(range(count))]
    rows = {hour.starts_at: hour for hour in SourceHour.objects.filter(source=source, starts_at__gte=moments[0])}
    return [rows.get(moment) or _empty(source, moment) for moment in moments]


def totals(some: Iterable[SourceHour]) -> dict[str, int]:
    """The sums of these hours, by kind."""
    listed = list(some)
    return {kind: sum(getattr(hour, kind) for hour in listed) for kind in KINDS}


def _empty(source: Source, moment: datetime) -> SourceHour:
    return SourceHour(source=source, starts_at=moment)


def _counted(source: Source, state: Q) -> tuple[int, bool]:
    """How many of the first ``MOST_COUNTED`` receipts in this state are of this source, and whether that is not all."""
    some = Receipt.objects.filter(state).order_by().values("source_id")[:MOST_COUNTED]
    found = some.aggregate(all=Count("source_id"), own=Count("source_id", filter=Q(source_id=source.id)))
    return found["own"], found["all"] == MOST_COUNTED
