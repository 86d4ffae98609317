"""Put together the charts and totals of a scope for a page: the selected period beside the one before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils import timezone

from delivery.figures.backlog import Waiting, waiting
from delivery.figures.periods import Counts, length_for, read_periods, total_of
from delivery.reading.endpoint_health import percent
from delivery.reading.timeline import failure_name
from webhooks.kit.charts.line_chart import Chart, Series, chart, short
from webhooks.kit.charts.time_axis import PERIODS, TimeAxis, time_axis
from webhooks.kit.charts.viewer_zone import viewer_zone, zone_label

DEFAULT_PERIOD = "day"
STEPS = {"hour": "5 minutes", "day": "hour", "week": "6 hours", "month": "day", "year": "week"}
SHOWN_FAILURES = 6


@dataclass(frozen=True, slots=True)
class FailureKind:
    """A kind of failure, how often it was, and how much of all attempts that is."""

    name: str
    count: int
    percent: int


@dataclass(frozen=True, slots=True)
class Panel:
    """The charts of one scope and period, its totals and those of the period before, and what waits now.

    ``waiting``: as last measured.
    """

    period: str
    zone: ZoneInfo
    zone_label: str
    now: datetime
    axis: TimeAxis
    charts: Sequence[Chart]
    total: Counts
    before: Counts
    failures: Sequence[FailureKind]
    waiting: Waiting

    @property
    def seconds_late(self) -> timedelta | None:
        """Return how long the oldest due delivery has been due; None if none is."""
        oldest = self.waiting.oldest_due_at
        return None if oldest is None else max(self.now - oldest, timedelta())

    @property
    def success(self) -> str:
        """Return the part of the attempts that delivered, in percent."""
        return _percent(self.total.success_percent)

    @property
    def success_before(self) -> str:
        """Return the same of the period before."""
        return _percent(self.before.success_percent)

    @property
    def p95(self) -> str:
        """Return the 95th percentile of the duration of attempts."""
        return _milliseconds(self.total.latency(0.95))

    @property
    def p95_before(self) -> str:
        """Return the same of the period before."""
        return _milliseconds(self.before.latency(0.95))


def period_of(request: HttpRequest) -> str:
    """Return the period that the page's address selects."""
    name = request.GET.get("period", "")
    return name if name in PERIODS else DEFAULT_PERIOD


def figures_panel(request: HttpRequest, scope_id: UUID, *, is_endpoint: bool = False) -> Panel:
    """Return the charts and totals of the platform, a tenant or an endpoint for the period of the request."""
    period, zone, now = period_of(request), viewer_zone(request), timezone.now()
    axis, length = time_axis(period, now, zone), length_for(period)
    current, before = (read_periods(scope_id, edges, length) for edges in (axis.edges, axis.previous))
    total = total_of(current, axis.edges[0])
    return Panel(
        period=period,
        zone=zone,
        zone_label=zone_label(axis.zone, now),
        now=now,
        axis=axis,
        charts=_charts(axis, current, before, is_endpoint=is_endpoint),
        total=total,
        before=total_of(before, axis.previous[0]),
        failures=[
            FailureKind(failure_name(kind), count, percent(count, total.attempts))
            for kind, count in sorted(total.failures.items(), key=lambda it: -it[1])[:SHOWN_FAILURES]
        ],
        waiting=waiting(scope_id),
    )


def context_of(request: HttpRequest, scope_id: UUID, *, is_endpoint: bool = False) -> dict[str, Any]:
    """Return what the template of the panel needs."""
    return {"panel": figures_panel(request, scope_id, is_endpoint=is_endpoint), "periods": PERIODS}


def _charts(axis: TimeAxis, current: list[Counts], before: list[Counts], *, is_endpoint: bool) -> list[Chart]:
    def line(label: str, tone: str, value: Callable[[Counts], float | None], total: str = "", was: str = "") -> Series:
        return Series(label, tone, [value(it) for it in current], [value(it) for it in before], total, was)

    def count(label: str, tone: str, value: Callable[[Counts], int]) -> Series:
        return line(label, tone, value, f"{sum(map(value, current)):,}", f"{sum(map(value, before)):,}")

    step = STEPS[axis.name]
    first = (
        count("Attempts", "info", lambda it: it.attempts)
        if is_endpoint
        else count("Events in", "info", lambda it: it.events)
    )
    return [
        chart(f"Throughput per {step}", [first, count("Delivered", "good", lambda it: it.delivered)], axis, short),
        chart("Success rate", [line("Delivered", "good", lambda it: it.success_percent)], axis, _percent, top=100),
        chart(
            "Response time",
            [
                line("p50", "info", lambda it: it.latency(0.5)),
                line("p95", "warn", lambda it: it.latency(0.95)),
            ],
            axis,
            _milliseconds,
        ),
        chart(f"Failed attempts per {step}", [count("Failed", "bad", lambda it: it.failed)], axis, short),
        chart("Pending deliveries", [line("Pending", "info", lambda it: it.pending)], axis, short),
        chart("Open dead letters", [line("Open", "bad", lambda it: it.open_dead_letters)], axis, short),
    ]


def _percent(value: float | None) -> str:
    """Write a percentage: 100 only for all of it."""
    if value is None:
        return "none"
    text = f"{value:.1f}" if value < 100 else "100"
    return f"{'99.9' if text == '100.0' else text.removesuffix('.0')} %"


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,.0f} ms" if value < 1000 else f"{value / 1000:.3g} s"
