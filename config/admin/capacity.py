"""Show on the admin's page Capacity how busy the platform is, and whether a machine has to be added."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from config.status.status import platform_status
from delivery.load.assessment import FULL, SOON, Busy
from delivery.models import DrainReport, LoadMinute
from delivery.reading.lanes_behind import OURS
from delivery.reading.platform_load import drain_load, recent_minutes
from webhooks.kit.admin.display import when
from webhooks.kit.admin.lists import AdminList
from webhooks.kit.charts.line_chart import Chart, Series, chart, nice_top
from webhooks.kit.charts.time_axis import TimeAxis, fine_axis
from webhooks.kit.charts.viewer_zone import viewer_zone, zone_label
from webhooks.kit.jobs.duration import duration

PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
STEPS = {
    "hour": timedelta(minutes=1),
    "day": timedelta(minutes=5),
}  # between two points of the charts
RELOAD_AFTER = 10  # seconds
TONES = {Busy.NO: "good", Busy.SOON: "warn", Busy.ADD_CAPACITY: "bad"}
WORDS = {Busy.NO: "Enough capacity", Busy.SOON: "More capacity soon", Busy.ADD_CAPACITY: "More capacity now"}


@admin.register(DrainReport)
class CapacityAdmin(AdminList):
    """Show the load in place of the list of reports; there are no rows to open."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        status = platform_status()
        name = request.GET.get("period", "")
        period = name if name in PERIODS else "hour"
        zone = viewer_zone(request)
        context = {
            **self.admin_site.each_context(request),
            "title": "Capacity",
            "opts": self.opts,
            "media": self.media,
            "status": status,
            "load": status.load,
            "verdict": WORDS[status.load.assessment.busy],
            "tone": TONES[status.load.assessment.busy],
            "drains": [_drain(it) for it in status.load.drains],
            "behind": [
                (it, "warn" if it.because in OURS else "info", duration(timedelta(seconds=it.seconds)))
                for it in status.load.behind
            ],
            "charts": charts(recent_minutes(PERIODS[period]), status.load.at, period, zone),
            "at": when(status.load.at),
            "zone_label": zone_label(zone, status.load.at),
            "period": period,
            "periods": PERIODS,
            "is_live": "live" in request.GET,
            "reload_after": RELOAD_AFTER,
        }
        response = TemplateResponse(request, "config/capacity.html", context)
        if context["is_live"]:
            response["Refresh"] = str(RELOAD_AFTER)
        return response


def _drain(report: DrainReport) -> dict[str, Any]:
    """Return a drain with the parts of its bar in percent: working, waiting, and the rest of the time idle."""
    used = drain_load(report).used
    waiting = min(report.waiting, report.load)
    return {
        "report": report,
        "used": 100 * used,
        "tone": "bad" if used >= FULL else "warn" if used >= SOON else "good",
        "working": 100 * (report.load - waiting),
        "waiting": 100 * waiting,
        "idle": 100 * (1 - report.load),
        "places": 100 * report.in_flight / max(report.max_in_flight, 1),
    }


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a minute, and the colour of its line."""

    label: str
    tone: str
    value: Callable[[LoadMinute], float]


CAPACITY = [
    Figure("Drains in use", "info", lambda it: 100 * it.used),
    Figure("Database wait", "warn", lambda it: 100 * it.waiting),
    Figure("Processors", "plain", lambda it: 100 * it.machine_cpu),
]
RATES = [
    Figure("Settled", "good", lambda it: it.settled_per_second),
    Figure("Published", "info", lambda it: it.published_per_second),
]
DELAY = [Figure("Wait", "bad", lambda it: it.seconds_behind)]
LOWEST_TOPS = {
    "Capacity": 100.0,
    "Events and attempts per second": 1.0,
    "Longest wait for a drain": 10.0,
}


def charts(recent: Sequence[LoadMinute], now: datetime, name: str, zone: ZoneInfo) -> list[Chart]:
    """Return the charts of the last hour or day, of each step the busiest minute."""
    axis = fine_axis(PERIODS[name], STEPS[name], now, zone)
    minutes = _by_period(axis, recent)
    return [
        _chart("Capacity", CAPACITY, axis, minutes, lambda value: f"{value:.0f} %"),
        _chart(
            "Events and attempts per second",
            RATES,
            axis,
            minutes,
            lambda value: f"{value:,.0f}/s",
        ),
        _chart(
            "Longest wait for a drain",
            DELAY,
            axis,
            minutes,
            lambda value: f"{value:,.0f} s",
        ),
    ]


def _by_period(axis: TimeAxis, minutes: Sequence[LoadMinute]) -> list[LoadMinute | None]:
    """Return the busiest minute of each period of the axis; None for one without any."""
    found: list[LoadMinute | None] = [None] * (len(axis.edges) - 1)
    step = axis.edges[1] - axis.edges[0]
    for minute in minutes:
        number = (minute.begins_at - axis.begins_at) // step
        if 0 <= number < len(found):
            known = found[number]
            found[number] = minute if known is None or minute.used > known.used else known
    return found


def _chart(
    title: str,
    figures: list[Figure],
    axis: TimeAxis,
    minutes: list[LoadMinute | None],
    text: Callable[[float], str],
) -> Chart:
    series = []
    highest = LOWEST_TOPS[title]
    for figure in figures:
        values = [None if it is None else figure.value(it) for it in minutes]
        known = [it for it in values if it is not None]
        highest = max([highest, *known])
        series.append(
            Series(
                figure.label,
                figure.tone,
                values,
                total=text(known[-1]) if known else "",
            )
        )
    return chart(title, series, axis, text, nice_top(highest))
