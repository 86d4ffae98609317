"""Compute statistics of a source: counts by hour, and pending and dead receipts now, at any table size.

Hourly counts are read from rows that were counted as messages arrived (``source_counts``). Pending and dead
receipts are counted in partial indexes that contain only those, up to ``MAX_COUNTED``; beyond it the count is a lower
bound.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Q, Sum
from django.utils import timezone

from webhooks.models import Receipt, Source, SourceHour
from webhooks.sources.source_counts import KINDS

MAX_COUNTED = 10_000  # rows of all sources together
MAX_HOURS = 90 * 24  # see sweep.STATS_DAYS

STATES = {
    "pending": Q(due_at__isnull=False),
    "processed": Q(processed_at__isnull=False, due_at__isnull=True),
    "dead": Q(dead_at__isnull=False),
}

UNHANDLED = STATES["processed"] & Q(handled_by=[], attempts__gt=0, skipped=False)
"""The receipts that ``Receipt.is_unhandled``: the source had handlers, and none of them was for the message."""


@dataclass(frozen=True, slots=True)
class CurrentCounts:
    """Pending and dead receipts; ``is_lower_bound``: counting stopped at its limit, and there may be more."""

    pending: int
    dead: int
    is_lower_bound: bool


def current_counts(source: Source) -> CurrentCounts:
    """Count the pending and dead receipts of a source."""
    pending, dead = (_counted(source, STATES[state]) for state in ("pending", "dead"))
    return CurrentCounts(pending[0], dead[0], pending[1] or dead[1])


def hourly_counts(source: Source, count: int) -> list[SourceHour]:
    """Return the last ``count`` hours, oldest first, including the present one; hours without a row are zeros."""
    last = timezone.now().replace(minute=0, second=0, microsecond=0)
    moments = [last - timedelta(hours=back) for back in reversed(range(count))]
    rows = {hour.starts_at: hour for hour in SourceHour.objects.filter(source=source, starts_at__gte=moments[0])}
    return [rows.get(moment) or _empty(source, moment) for moment in moments]


def totals(some: Iterable[SourceHour]) -> dict[str, int]:
    """Sum the counts of these hours by kind."""
    listed = list(some)
    return {kind: sum(getattr(hour, kind) for hour in listed) for kind in KINDS}


def received_by_tenant(*, begins_at: datetime, **_: object) -> dict[UUID, int]:
    """Return how many messages the sources of each tenant received in this hour (receiver of ``messages_counted``)."""
    rows = SourceHour.objects.filter(starts_at=begins_at, received__gt=0, source__tenant_id__isnull=False)
    return dict(rows.values_list("source__tenant_id").annotate(Sum("received")).order_by())


def _empty(source: Source, moment: datetime) -> SourceHour:
    return SourceHour(source=source, starts_at=moment)


def _counted(source: Source, state: Q) -> tuple[int, bool]:
    """Count this source's among the first ``MAX_COUNTED`` receipts in a state; tell too whether there may be more."""
    some = Receipt.objects.filter(state).order_by().values("source_id")[:MAX_COUNTED]
    found = some.aggregate(all=Count("source_id"), own=Count("source_id", filter=Q(source_id=source.id)))
    return found["own"], found["all"] == MAX_COUNTED
