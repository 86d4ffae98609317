"""Lanes: the queue of each endpoint, who works on it, and whether its breaker is open."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from delivery.admin.browsing import Browsing, link, when
from delivery.admin.chart import bars
from delivery.admin.display import pill
from delivery.models import Lane
from delivery.reading.lane_status import LaneStatus, lane_status, state_of
from delivery.sending.attempt_stats import stats_by_hour

__all__ = ["LaneAdmin"]


@admin.register(Lane)
class LaneAdmin(Browsing):
    list_display = ("of_endpoint", "standing", "failures", "since", "due", "breaker")
    list_select_related = ("endpoint",)
    list_filter = (("endpoint", AutocompleteSelectFilter), "endpoint_inactive")
    ordering = ("-pk",)
    searched = {"ep": "pk"}
    search_help_text = "An endpoint's id (ep_...), whole."
    fields = (
        ("of_endpoint", "standing"),
        ("due", "leased_by"),
        ("rate", "places"),
        ("backlog", "oldest"),
        "blockers",
        ("failures", "since"),
        ("open_count", "breaker"),
        ("floor", "slot"),
        ("last_day",),
    )
    readonly_fields = tuple(name for line in fields for name in ((line,) if isinstance(line, str) else line))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lane]:
        rows: QuerySet[Lane] = super().get_queryset(request)
        return rows.select_related("endpoint")

    @display(description="Endpoint")
    def of_endpoint(self, lane: Lane) -> str:
        return link(lane.endpoint, str(lane.endpoint))

    @display(description="State")
    def standing(self, lane: Lane) -> str:
        return pill(state_of(lane, timezone.now()))

    @display(description="Leased by")
    def leased_by(self, lane: Lane) -> str:
        return str(lane.owner) if lane.owner else "-"

    @display(description="Failing since (UTC)")
    def since(self, lane: Lane) -> str:
        return when(lane.failing_since)

    @display(description="Due (UTC)")
    def due(self, lane: Lane) -> str:
        return when(lane.due_at)

    @display(description="Breaker open until (UTC)")
    def breaker(self, lane: Lane) -> str:
        return when(lane.circuit_open_until)

    @display(description="The last 24 hours")
    def last_day(self, lane: Lane) -> str:
        return bars(stats_by_hour(lane.endpoint_id, 24, timezone.now()))

    @display(description="Low-water mark (UTC)")
    def floor(self, lane: Lane) -> str:
        return when(lane.low_water_mark if lane.low_water_mark and lane.low_water_mark.year > 1970 else None)

    @display(description="Next slot of the rate limit (UTC)")
    def slot(self, lane: Lane) -> str:
        return when(lane.next_slot_at)

    @display(description="Rate at present")
    def rate(self, lane: Lane) -> str:
        rate = _standing(lane).effective_rate
        if rate == 0:
            return "nothing goes"
        return "not known yet" if rate is None else f"{rate:,.{0 if rate >= 100 else 1}f} a second"

    @display(description="Attempts at once")
    def places(self, lane: Lane) -> str:
        now = _standing(lane)
        return f"{now.sending} under way, {now.concurrency} allowed at present, {now.max_in_flight} at most"

    @display(description="Pending")
    def backlog(self, lane: Lane) -> str:
        now = _standing(lane)
        return f"{'more than ' if now.backlog_is_lower_bound else ''}{now.backlog:,}"

    @display(description="Oldest due (UTC)")
    def oldest(self, lane: Lane) -> str:
        return when(_standing(lane).oldest_due_at)

    @display(description="What blocks an order key")
    def blockers(self, lane: Lane) -> str:
        links = [
            (reverse("admin:delivery_delivery_change", args=[it.delivery_id]), it.key or "(no key)")
            for it in _standing(lane).blockers
        ]
        return format_html_join(", ", '<a class="wp-link" href="{}">{}</a>', links) or "-"


def _standing(lane: Lane) -> LaneStatus:
    """How it stands, found out once for a page."""
    found: LaneStatus = lane.__dict__.setdefault("_standing", None) or lane_status(lane.endpoint)
    lane.__dict__["_standing"] = found
    return found
