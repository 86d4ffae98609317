"""Show dead letters: what failed permanently and why. Replay, discard or acknowledge them, by selection or by filter.

Each leads to a page that counts first: ``replay_dead_letters``, ``dead_letter_changes``.
"""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from delivery.admin.dead_letters.dead_letter_changes import MAY_CHANGE, DeadLetterChangePage, change_path
from delivery.admin.display import find, last_result, state_pill
from delivery.admin.finding.find_page import SEES_PAYLOADS
from delivery.admin.replaying.letter_filter import query_from_filters
from delivery.admin.replaying.replay_dead_letters import ReplayDeadLettersPage
from delivery.admin.replaying.replay_page import MAY_REPLAY
from delivery.admin.time_filter import TimeRangeFilter
from delivery.models import DeadLetter, Delivery, Replay
from delivery.reading.finding.events import find_events
from delivery.reading.finding.of_endpoints import newest_of_endpoints
from delivery.reading.list_filters import DEAD_LETTERS
from subscriptions.search import find_endpoints
from webhooks.audit.looks import HIDDEN, may_see_payload
from webhooks.kit.admin.display import NOTHING, column, link, may, pill, when
from webhooks.kit.admin.filters import ChoicesFilter, OneOfFilter, RelatedFilter
from webhooks.kit.admin.lists import AdminList


class StateFilter(OneOfFilter):  # type: ignore[misc]
    """Filter dead letters by what was done about them."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: AdminList) -> list[tuple[str, str]]:
        return [(str(name), str(label)) for name, label in DeadLetter.State.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        state = self.value()
        return queryset.filter(DEAD_LETTERS["state"](state)) if state in DeadLetter.State.values else queryset


def _details(letter: DeadLetter) -> str:
    """Return the details of the cause, but for a text that quotes a payload which the user may not see."""
    if letter.quotes_payload and not may(SEES_PAYLOADS):
        return HIDDEN
    return letter.reason or NOTHING


@admin.register(DeadLetter)
class DeadLetterAdmin(AdminList):
    """Show dead letters, and replay, discard or acknowledge them."""

    empty_note = "No delivery has failed permanently."
    list_display = (
        *("public_id", "state", "cause_pill", "result", "event_link", "endpoint_link", "tenant_link", "failed"),
    )
    sortable_by = ("failed",)
    list_filter = (
        ("tenant", RelatedFilter),
        ("endpoint", RelatedFilter),
        ("cause", ChoicesFilter),
        StateFilter,
        ("failed_at", TimeRangeFilter),
    )
    actions = ("replay_selected", "acknowledge_selected", "discard_selected")
    search_help_text = "Search by any ID, event type, subject, indexed value, or part of the endpoint's URL"
    search_columns = {"dl": "pk", "dlv": "delivery_id", "evt": "delivery__event_id", "ep": "endpoint_id"}
    change_form_outer_before_template = "delivery/admin/operations_bar.html"
    list_before_template = "delivery/admin/replay_dead_letters_bar.html"
    fields = (
        ("public_id", "state"),
        ("cause_text", "details"),
        ("result", "attempts"),
        ("delivery_link", "event_link"),
        ("endpoint_link", "tenant_link"),
        ("failed", "acknowledged"),
        ("closed", "replay_link"),
        ("note_text",),
    )
    readonly_fields = tuple(name for line in fields for name in line)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        rows: QuerySet[DeadLetter] = super().get_queryset(request)
        rows = rows.select_related("tenant", "delivery__event", "endpoint__http", "endpoint__destination")
        return rows.defer(
            "delivery__body", "delivery__event__body", "delivery__event__original", "delivery__event__digest"
        )

    def find_text(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        if events := find_events(term, by_value=may(SEES_PAYLOADS)):
            deliveries = Delivery.objects.filter(event__in=events)
            return rows.filter(delivery__in=list(deliveries.values_list("id", flat=True)))
        return rows.filter(pk__in=newest_of_endpoints(DeadLetter, find_endpoints(term)))

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(MAY_REPLAY))

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(MAY_CHANGE))

    @admin.action(description="Replay selected", permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        """Redirect to the page that counts and asks."""
        return redirect(f"{reverse('admin:delivery_deadletter_replay')}?{self._selected(queryset)}")

    @admin.action(description="Acknowledge selected", permissions=["operate"])
    def acknowledge_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        """Redirect to the page that counts and asks."""
        return redirect(change_path("acknowledge", self._selected(queryset)))

    @admin.action(description="Discard selected", permissions=["operate"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        """Redirect to the page that counts and asks."""
        return redirect(change_path("discard", self._selected(queryset)))

    def _selected(self, queryset: QuerySet[DeadLetter]) -> str:
        return urlencode({"ids": ",".join(letter.public_id for letter in queryset[: self.list_per_page])})

    def get_urls(self) -> list[URLPattern]:
        replay = self.admin_site.admin_view(ReplayDeadLettersPage(self).view)
        change = self.admin_site.admin_view(DeadLetterChangePage(self).view)
        return [
            path("replay/", replay, name="delivery_deadletter_replay"),
            path("operation/", change, name="delivery_deadletter_operation"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        may = {"may_replay": self.has_replay_permission(request), "may_change": self.has_operate_permission(request)}
        bar = {"replay_query": query_from_filters(request.GET), **may} if any(may.values()) else {}
        response: HttpResponse = super().changelist_view(request, {**(extra_context or {}), **bar})
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        letter = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if letter is not None and letter.closed_at is None and self.has_view_permission(request, letter):
            context["operations"] = self._operations(request, letter)
        if letter is not None and letter.quotes_payload and self.has_view_permission(request, letter):
            may_see_payload(request, letter)  # and record it
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def _operations(self, request: HttpRequest, letter: DeadLetter) -> list[tuple[str, str]]:
        """Return titles and paths of what the user may do with a dead letter that is not closed."""
        query = urlencode({"ids": letter.public_id})
        may_change, found = self.has_operate_permission(request), []
        if self.has_replay_permission(request):
            found.append(("Replay", f"{reverse('admin:delivery_deadletter_replay')}?{query}"))
        if may_change and letter.acknowledged_at is None:
            found.append(("Acknowledge", change_path("acknowledge", query)))
        if may_change:
            found.append(("Discard", change_path("discard", query)))
        return found

    state = column("State", lambda letter: state_pill(letter.state))
    cause_pill = column(
        "Cause", lambda letter: pill(letter.cause.replace("_", " "), title=str(letter.get_cause_display()))
    )
    cause_text = column("Cause", lambda letter: str(letter.get_cause_display()))
    details = column("Details", _details)
    result = column("Last result", lambda letter: last_result(letter.last_status, letter.last_error))
    delivery_link = column("Delivery", lambda letter: link(letter.delivery))
    event_link = column("Event", lambda letter: link(letter.delivery.event, letter.delivery.event.type))
    endpoint_link = column("Endpoint", lambda letter: link(letter.endpoint, str(letter.endpoint)))
    tenant_link = column("Tenant", lambda letter: link(letter.tenant, letter.tenant.name))
    failed = column("Failed at", lambda letter: when(letter.failed_at), order="id")
    acknowledged = column("Acknowledged", lambda letter: _when_and_by(letter.acknowledged_at, letter.acknowledged_by))
    closed = column("Replayed or discarded", lambda letter: _when_and_by(letter.closed_at, letter.closed_by))
    note_text = column("Reason given", lambda letter: letter.note or NOTHING)
    replay_link = column("Replay", lambda letter: link(find(Replay.objects.all(), letter.replay_id)))


def _when_and_by(at: datetime | None, by: str) -> Any:
    """Return when something was done and by which user or key."""
    return NOTHING if at is None else format_html("{} by {}", when(at), by or "unknown")
