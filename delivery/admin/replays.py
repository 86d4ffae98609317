"""Show replays and their progress, and cancel running ones."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join

from delivery.admin.display import find, state_pill
from delivery.admin.time_filter import TimeRangeFilter
from delivery.models import Delivery, Replay
from delivery.replaying import replays
from delivery.replaying.replay_status import states_of, warnings_of
from delivery.templatetags.delivery_admin import progress_bar
from subscriptions.models import Endpoint
from webhooks.kit.admin.display import column, link, when
from webhooks.kit.admin.filters import ChoicesFilter, RelatedFilter
from webhooks.kit.admin.lists import AdminList
from webhooks.wire import ids

MAY_CANCEL = "delivery.change_replay"


@admin.register(Replay)
class ReplayAdmin(AdminList):
    """Show replays and cancel running ones."""

    list_display = ("public_id", "state_column", "progress", "rate", "tenant_link", "requested_by", "created")
    list_select_related = ("tenant",)
    list_filter = (
        ("tenant", RelatedFilter),
        ("state", ChoicesFilter),
        ("created_at", TimeRangeFilter),
    )
    fields = (("public_id", "tenant_link"), ("scope_text", "filter_lines"), ("requested_by", "created"))
    readonly_fields = tuple(name for line in fields for name in line)
    change_form_outer_before_template = "delivery/admin/replay.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Replay]:
        rows: QuerySet[Replay] = super().get_queryset(request)
        return rows.select_related("tenant")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if row is not None and self.has_view_permission(request, row):
            counted = states_of(row)
            context["states"] = [(state, getattr(counted, state)) for state in Delivery.State.values]
            context["warnings"] = warnings_of(row)
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.cancel_view)
        return [path("<uuid:pk>/cancel/", page, name="delivery_replay_cancel"), *super().get_urls()]

    def cancel_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Cancel a running replay by POST; deliveries that are re-queued already are sent."""
        if not request.user.has_perm(MAY_CANCEL):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = get_object_or_404(Replay, pk=pk)
        if replays.cancel(row):
            self.log_change(request, row, "Cancelled.")
            messages.success(request, f"Replay cancelled: {row.public_id}")
        else:
            messages.warning(request, f"Replay had ended already: {row.public_id}")
        return redirect("admin:delivery_replay_change", pk)

    state_column = column("State", lambda row: state_pill(row.state))
    progress = column(
        "Progress", lambda row: format_html("{} {} / {}", progress_bar(row), f"{row.replayed:,}", f"{row.total:,}")
    )
    tenant_link = column("Tenant", lambda row: link(row.tenant, row.tenant.name) if row.tenant else "All tenants")
    created = column("Requested (UTC)", lambda row: when(row.created_at))
    scope_text = column("Scope", lambda row: str(row.get_scope_display()))

    @admin.display(description="Filter")
    def filter_lines(self, row: Replay) -> str:
        lines = [(name.capitalize(), _text(name, value)) for name, value in row.filter.items()]
        return format_html_join("", "<div>{}: {}</div>", lines) or "No filter"


def _text(name: str, value: Any) -> str:
    """Return a value of the filter as shown on the page."""
    if name == "ids":
        return f"{len(value)} selected"
    if name == "endpoint" and (endpoint := find(Endpoint.objects.all(), ids.parse(Endpoint.prefix, value))):
        return link(endpoint, str(endpoint))
    if name in ("since", "until"):
        return when(datetime.fromisoformat(value))
    return str(value)
