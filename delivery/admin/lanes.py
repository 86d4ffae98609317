"""Lanes: the queue of each endpoint, who works on it, and whether its breaker is open."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from delivery.admin.browsing import Browsing, link, when
from delivery.admin.shown import pill
from delivery.models import Lane

__all__ = ["LaneAdmin"]


@admin.register(Lane)
class LaneAdmin(Browsing):
    list_display = ("of_endpoint", "standing", "failures", "since", "due", "breaker")
    list_select_related = ("endpoint",)
    list_filter = (("endpoint", AutocompleteSelectFilter), "parked")
    ordering = ("-pk",)
    searched = {"ep": "pk"}
    search_help_text = "An endpoint's id (ep_...), whole."
    fields = (
        ("of_endpoint", "standing"),
        ("due", "leased_by"),
        ("failures", "since"),
        ("trips", "breaker"),
        ("floor", "slot"),
    )
    readonly_fields = tuple(name for line in fields for name in line)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lane]:
        rows: QuerySet[Lane] = super().get_queryset(request)
        return rows.select_related("endpoint")

    @display(description="Endpoint")
    def of_endpoint(self, lane: Lane) -> str:
        return link(lane.endpoint, str(lane.endpoint))

    @display(description="State")
    def standing(self, lane: Lane) -> str:
        """What the lane waits for, the gravest first."""
        if lane.tripped_until and lane.tripped_until > timezone.now():
            return pill("tripped")
        if lane.parked:
            return pill("parked")
        if lane.owner:
            return pill("leased")
        return pill("due" if lane.due_at else "idle")

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
        return when(lane.tripped_until)

    @display(description="Low-water mark (UTC)")
    def floor(self, lane: Lane) -> str:
        return when(lane.floor_at)

    @display(description="Next slot of the rate limit (UTC)")
    def slot(self, lane: Lane) -> str:
        return when(lane.next_slot_at)
