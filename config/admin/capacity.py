"""Show on the admin's page Capacity how busy the platform is, and whether a machine has to be added."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from config.status.charts import Chart, Figure, Period, chart
from config.status.status import PlatformStatus, platform_status
from delivery.load.assessment import FULL, SOON, Busy
from delivery.models import DrainReport, LoadMinute
from delivery.reading.lanes_behind import OURS
from delivery.reading.platform_load import drain_load, recent_minutes
from webhooks.kit.admin.lists import AdminList

PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
DAY_STEP = timedelta(minutes=5)  # between two points of the chart of a day
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
            "behind": [(it, "warn" if it.because in OURS else "info") for it in status.load.behind],
            "charts": _charts(status, period),
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


CAPACITY = [
    Figure("Drains in use", "info", lambda it: 100 * it.used, lambda value: f"{value:.0f} %"),
    Figure("Database wait", "warn", lambda it: 100 * it.waiting, lambda value: f"{value:.0f} %"),
    Figure("Processors", "plain", lambda it: 100 * it.machine_cpu, lambda value: f"{value:.0f} %"),
]
RATES = [
    Figure("Settled", "good", lambda it: it.settled_per_second, lambda value: f"{value:,.0f}/s"),
    Figure("Published", "info", lambda it: it.published_per_second, lambda value: f"{value:,.0f}/s"),
]
DELAY = [Figure("Wait", "bad", lambda it: it.seconds_behind, lambda value: f"{value:,.0f} s")]


def _charts(status: PlatformStatus, name: str) -> list[Chart]:
    minutes = recent_minutes(PERIODS[name])
    period = Period(status.load.at, PERIODS[name])
    if name == "day":
        minutes, period = _every_fifth(minutes), Period(status.load.at, PERIODS[name], DAY_STEP)
    return [
        chart("Capacity", CAPACITY, minutes, period, top=100),
        chart("Events and attempts per second", RATES, minutes, period, top=1),
        chart("Longest wait for a drain", DELAY, minutes, period, top=10),
    ]


def _every_fifth(minutes: list[LoadMinute]) -> list[LoadMinute]:
    """Return the busiest minute of each DAY_STEP."""
    steps: dict[float, LoadMinute] = {}
    for minute in minutes:
        step = minute.begins_at.timestamp() // DAY_STEP.total_seconds()
        if step not in steps or minute.used > steps[step].used:
            steps[step] = minute
    return list(steps.values())
