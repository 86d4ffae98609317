"""Show dead letters: what failed permanently and why, and replay them by selection or by filter.

Both lead to the page of ``replay_dead_letters``, which counts first and asks for a rate.
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from delivery.admin.display import find, last_result, state_pill
from delivery.admin.replaying.replay_dead_letters import ReplayDeadLettersPage, query_from_filters
from delivery.admin.replaying.replay_page import MAY_REPLAY
from delivery.admin.time_filter import TimeRangeFilter
from delivery.models import DeadLetter, Event, Replay
from subscriptions.models import Tenant
from webhooks.kit.admin.display import NOTHING, column, link, pill, when
from webhooks.kit.admin.filters import ChoicesFilter, OneOfFilter, RelatedFilter
from webhooks.kit.admin.lists import AdminList


class StateFilter(OneOfFilter):  # type: ignore[misc]
    """Filter dead letters by whether they have been replayed."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: AdminList) -> list[tuple[str, str]]:
        return [("open", "Open"), ("replayed", "Replayed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        if self.value() not in ("open", "replayed"):
            return queryset
        return queryset.filter(replayed_at__isnull=self.value() == "open")


@admin.register(DeadLetter)
class DeadLetterAdmin(AdminList):
    """Show dead letters and replay them."""

    list_display = ("public_id", "state", "cause_pill", "result", "event_link", "endpoint_link", "failed")
    list_filter = (
        ("tenant", RelatedFilter),
        ("endpoint", RelatedFilter),
        ("cause", ChoicesFilter),
        StateFilter,
        ("failed_at", TimeRangeFilter),
    )
    actions = ("replay_selected",)
    search_columns = {"dl": "pk", "dlv": "delivery_id", "evt": "delivery__event_id", "ep": "endpoint_id"}
    list_before_template = "delivery/admin/replay_dead_letters_bar.html"
    fields = (
        ("public_id", "state"),
        ("cause_text", "details"),
        ("result", "attempts"),
        ("delivery_link", "event_link"),
        ("endpoint_link", "tenant_link"),
        ("failed", "replayed"),
        ("replayed_by_text", "replay_link"),
    )
    readonly_fields = tuple(name for line in fields for name in line)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        rows: QuerySet[DeadLetter] = super().get_queryset(request)
        rows = rows.select_related("delivery__event", "endpoint__http", "endpoint__destination")
        return rows.defer(
            "delivery__body", "delivery__event__body", "delivery__event__original", "delivery__event__digest"
        )

    def find_text(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        events = Event.objects.filter(event_id=term, tenant__in=Tenant.objects.values("id"))
        return rows.filter(delivery__event__in=events.values("id"))

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(MAY_REPLAY))

    @admin.action(description="Replay selected", permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        """Redirect to the page that counts and asks."""
        selected = ",".join(letter.public_id for letter in queryset[: self.list_per_page])
        return redirect(f"{reverse('admin:delivery_deadletter_replay')}?{urlencode({'ids': selected})}")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(ReplayDeadLettersPage(self).view)
        return [path("replay/", page, name="delivery_deadletter_replay"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        bar = {"replay_query": query_from_filters(request.GET)} if self.has_replay_permission(request) else {}
        response: HttpResponse = super().changelist_view(request, {**(extra_context or {}), **bar})
        return response

    state = column("State", lambda letter: state_pill("replayed" if letter.replayed_at else "open"))
    cause_pill = column(
        "Cause", lambda letter: pill(letter.cause.replace("_", " "), title=str(letter.get_cause_display()))
    )
    cause_text = column("Cause", lambda letter: str(letter.get_cause_display()))
    details = column("Details", lambda letter: letter.reason or NOTHING)
    result = column("Last result", lambda letter: last_result(letter.last_status, letter.last_error))
    delivery_link = column("Delivery", lambda letter: link(letter.delivery))
    event_link = column("Event", lambda letter: link(letter.delivery.event, letter.delivery.event.type))
    endpoint_link = column("Endpoint", lambda letter: link(letter.endpoint, str(letter.endpoint)))
    tenant_link = column("Tenant", lambda letter: link(letter.tenant, letter.tenant.name))
    failed = column("Failed at (UTC)", lambda letter: when(letter.failed_at))
    replayed = column("Replayed at (UTC)", lambda letter: when(letter.replayed_at))
    replayed_by_text = column("Replayed by", lambda letter: letter.replayed_by or NOTHING)
    replay_link = column("Replay", lambda letter: link(find(Replay.objects.all(), letter.replay_id)))
