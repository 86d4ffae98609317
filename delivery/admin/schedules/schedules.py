"""Show schedules with their next occurrences; create, change, delete, run, pause and resume them."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone

from delivery.admin.schedules.forms import ScheduleForm
from delivery.models import Schedule
from delivery.schedules import schedules
from delivery.schedules.preview import preview
from subscriptions.admin.actions import run_for_each
from subscriptions.errors import Invalid
from webhooks.kit.admin.display import Tone, column, link, pill, when
from webhooks.kit.admin.filters import ChoicesFilter, RelatedFilter
from webhooks.kit.admin.lists import AdminList
from webhooks.kit.audit.operation import report

MAY_CHANGE, MAY_ADD, MAY_DELETE = (f"delivery.{it}_schedule" for it in ("change", "add", "delete"))
PREVIEWED = ("expression", "timezone")
TONES: dict[str, Tone] = {"active": "good", "paused": "warn", "completed": "plain"}


@admin.register(Schedule)
class ScheduleAdmin(AdminList):
    """Show and edit schedules."""

    empty_note = "A schedule publishes an event at a time, or again and again."
    list_display = (
        *("public_id", "state_column", "uid", "expression", "time_zone", "next_column", "occurrences", "failures"),
        "tenant_link",
    )
    list_select_related = ("tenant",)
    list_filter = (("tenant", RelatedFilter), ("state", ChoicesFilter))
    search_help_text = "Search by ID or external ID (exact)"
    form = ScheduleForm
    raw_id_fields = ("tenant",)
    actions = ("pause_selected", "resume_selected")
    readonly_fields = ("public_id", "state_column", "next_column", "last_column", "tenant_link", "last_error")
    change_form_outer_before_template = "delivery/admin/schedule_operations.html"
    change_form_after_template = "delivery/admin/schedule.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(MAY_ADD))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(MAY_CHANGE))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(MAY_DELETE))

    def get_fieldsets(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        when_fields = ("expression", "timezone", "start_at", "end_at", ("flexible_window_minutes", "catch_up"))
        general = (("uid", "group"), "description", "action_after_completion")
        first = ("tenant",) if obj is None else (("public_id", "tenant_link"), ("next_column", "last_column"))
        shows_event = self.has_change_permission(request) or request.user.has_perm("delivery.view_payload")
        event = ("event",) if shows_event else ()  # it has the payload of each event, which an error may quote
        status = ("last_error",) if shows_event and obj is not None else ()
        return [(None, {"fields": (*first, *status, *when_fields, *event, *general)})]

    def save_model(self, request: HttpRequest, obj: Schedule, form: ScheduleForm, change: bool) -> None:
        obj.pk = form.write().pk

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.operate_view)
        own = [
            path(f"<uuid:pk>/{name}/", page, {"operation": name}, name=f"delivery_schedule_{name}")
            for name in ("run", "pause", "resume")
        ]
        return [*own, *super().get_urls()]

    def operate_view(self, request: HttpRequest, pk: UUID, operation: str) -> HttpResponse:
        """Run, pause or resume a schedule by POST."""
        operations: dict[str, Callable[[HttpRequest, Schedule], None]] = {
            "run": self._run,
            "pause": self._pause,
            "resume": self._resume,
        }
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        operations[operation](request, get_object_or_404(Schedule, pk=pk))
        return redirect("admin:delivery_schedule_change", pk)

    def _run(self, request: HttpRequest, row: Schedule) -> None:
        result = schedules.run_now(row)
        if result.error is not None:
            text = f"Not published: {result.error.attribute or 'the event'} {result.error.reason}"
            messages.error(request, text)
            report(text, 0, 1)
            return
        self.log_change(request, row, "Run by hand.")
        messages.success(request, f"Event published: {result.id}")

    def _pause(self, request: HttpRequest, *rows: Schedule) -> None:
        self._set_state(request, rows, Schedule.State.PAUSED, "paused")

    def _resume(self, request: HttpRequest, *rows: Schedule) -> None:
        self._set_state(request, rows, Schedule.State.ACTIVE, "resumed")

    def _set_state(self, request: HttpRequest, rows: Iterable[Schedule], state: str, done: str) -> None:
        run_for_each(self, request, rows, lambda row: schedules.change_schedule(row, {"state": state}), done)

    @admin.action(description="Pause selected", permissions=["change"])
    def pause_selected(self, request: HttpRequest, selected: QuerySet[Schedule]) -> None:
        """Pause the selected schedules."""
        self._pause(request, *selected)

    @admin.action(description="Resume selected", permissions=["change"])
    def resume_selected(self, request: HttpRequest, selected: QuerySet[Schedule]) -> None:
        """Resume the selected schedules."""
        self._resume(request, *selected)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), **_preview(request, Schedule())}
        response: HttpResponse = super().add_view(request, form_url, context)
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = {**(extra_context or {}), **(_preview(request, row) if row is not None else {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    state_column = column("State", lambda row: pill(row.state, TONES[row.state]))
    time_zone = column("Time zone", lambda row: row.timezone)
    next_column = column("Next occurrence", lambda row: when(row.next_at))
    last_column = column("Last occurrence", lambda row: when(row.last_at))
    tenant_link = column("Tenant", lambda row: link(row.tenant, row.tenant.name))


def _preview(request: HttpRequest, row: Schedule) -> dict[str, Any]:
    """Return the next occurrences of the stored times, or of those in the query of the page, for its template."""
    for name in PREVIEWED:
        setattr(row, name, request.GET.get(name, getattr(row, name)))
    context: dict[str, Any] = {"previewed": row}
    if row.expression:
        try:
            context["preview"] = preview(row, timezone.now())
        except Invalid as error:
            context["preview_error"] = error.message
    return context
