"""Read the hourly figures of endpoints: those of the last hours together, and those of a day that is over."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import groupby

from delivery.alerts.conditions.of_endpoint import conditions_on, name_of
from delivery.models import HourlyStats
from delivery.sending.attempt_stats import StatsSummary, summary_of, total_of
from subscriptions.models import Endpoint
from webhooks.kit.conditions.condition import HOUR, PastFinding, Question

MAX_ROWS = 50_000  # hours of endpoints that one evaluation reads


def recent_totals(question: Question, *, with_latencies: bool = False) -> Iterator[tuple[Endpoint, StatsSummary]]:
    """Yield the endpoints with attempts in the current hour or the ``hours`` before it, with their totals."""
    since = question.hour - question.settings["hours"] * HOUR
    rows = _rows(question, since, question.hour + HOUR, with_latencies=with_latencies)
    totals = {key: total_of([summary_of(it) for it in hours]) for key, hours in groupby(rows, lambda it: it.endpoint)}
    yield from totals.items()


def past_hours(
    question: Question,
    begins_at: datetime,
    ends_at: datetime,
    is_bad: Callable[[StatsSummary], bool],
    *,
    with_latencies: bool = False,
) -> list[PastFinding]:
    """Return the endpoints and hours of which the figures are bad."""
    rows = _rows(question, begins_at, ends_at, with_latencies=with_latencies)
    return [
        PastFinding(it.endpoint.public_id, name_of(it.endpoint), it.begins_at) for it in rows if is_bad(summary_of(it))
    ]


def _rows(question: Question, begins_at: datetime, ends_at: datetime, *, with_latencies: bool) -> list[HourlyStats]:
    """Return hours by endpoint, oldest first. Indexes: hourly_stats_by_hour, unique_hour_per_endpoint."""
    rows = HourlyStats.objects.filter(
        begins_at__gte=begins_at, begins_at__lt=ends_at, attempts__gt=0, **conditions_on(question)
    ).select_related("endpoint__http", "endpoint__destination")
    if not with_latencies:
        rows = rows.defer("latencies")
    return list(rows.order_by("endpoint_id", "begins_at")[:MAX_ROWS])
