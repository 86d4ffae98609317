"""Show replays and broadcasts with their progress, and cancel running ones."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from delivery.admin.display import find, state_pill
from delivery.admin.time_filter import TimeRangeFilter
from delivery.models import Broadcast, Delivery, Replay
from delivery.replaying.replay_status import states_of, warnings_of
from delivery.replaying.sliced_jobs import cancel
from delivery.templatetags.delivery_admin import progress_bar
from subscriptions.models import Endpoint
from webhooks.kit.admin.display import NOTHING, column, link, when
from webhooks.kit.admin.filters import ChoicesFilter, RelatedFilter
from webhooks.kit.admin.lists import AdminList
from webhooks.wire import ids


class JobAdmin(AdminList):
    """Show jobs that run in slices, and cancel running ones."""

    change_form_outer_before_template = "delivery/admin/job.html"

    @property
    def name(self) -> str:
        """Return the name of the kind of job."""
        return str(self.opts.model_name)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.cancel_view)
        return [path("<uuid:pk>/cancel/", page, name=f"delivery_{self.name}_cancel"), *super().get_urls()]

    def may_cancel(self, request: HttpRequest) -> bool:
        """Return whether the user may cancel jobs of this kind."""
        return request.user.has_perm(f"delivery.change_{self.name}")

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        shown = {**context, "may_cancel": self.may_cancel(request)}
        return super().render_change_form(request, shown, *args, **kwargs)

    def cancel_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Cancel a running job by POST; what it has done already stays."""
        if not self.may_cancel(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = get_object_or_404(self.model, pk=pk)
        if cancel(row):
            self.log_change(request, row, "Cancelled.")
            messages.success(request, f"{self.name.capitalize()} cancelled: {row.public_id}")
        else:
            messages.warning(request, f"{self.name.capitalize()} had ended already: {row.public_id}")
        return redirect(f"admin:delivery_{self.name}_change", pk)

    state_column = column("State", lambda row: state_pill(row.state))
    progress = column(
        "Progress", lambda row: format_html("{} {} / {}", progress_bar(row), f"{row.done:,}", f"{row.total:,}")
    )
    created = column("Requested (UTC)", lambda row: when(row.created_at))


@admin.register(Replay)
class ReplayAdmin(JobAdmin):
    """Show replays."""

    list_display = ("public_id", "state_column", "progress", "rate", "tenant_link", "requested_by", "created")
    list_select_related = ("tenant",)
    list_filter = (
        ("tenant", RelatedFilter),
        ("state", ChoicesFilter),
        ("created_at", TimeRangeFilter),
    )
    fields = (("public_id", "tenant_link"), ("scope_text", "filter_lines"), ("requested_by", "created"))
    readonly_fields = tuple(name for line in fields for name in line)

    tenant_link = column("Tenant", lambda row: link(row.tenant, row.tenant.name) if row.tenant else "All tenants")
    scope_text = column("Scope", lambda row: str(row.get_scope_display()))

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

    @admin.display(description="Filter")
    def filter_lines(self, row: Replay) -> str:
        lines = [(name.capitalize(), _text(name, value)) for name, value in row.filter.items()]
        return format_html_join("", "<div>{}: {}</div>", lines) or "No filter"


@admin.register(Broadcast)
class BroadcastAdmin(JobAdmin):
    """Show broadcasts."""

    list_display = ("public_id", "state_column", "type", "progress", "failed", "label_list", "requested_by", "created")
    list_filter = (("state", ChoicesFilter), ("created_at", TimeRangeFilter))
    fields = (
        ("public_id", "type"),
        *(("source", "event_id"), ("label_list", "failed"), "last_error", ("requested_by", "created")),
    )
    readonly_fields = ("public_id", "type", "source", "event_id", "label_list", "failed", "last_error", "requested_by")

    @admin.display(description="Tenants")
    def label_list(self, row: Broadcast) -> SafeString | str:
        labels = [f"{name}:{value}" for name, value in sorted(row.labels.items())]
        return ", ".join(labels) or "All tenants"


def _text(name: str, value: Any) -> str:
    """Return a value of the filter as shown on the page."""
    if name == "ids":
        return f"{len(value)} selected"
    if name == "endpoint" and (endpoint := find(Endpoint.objects.all(), ids.parse(Endpoint.prefix, value))):
        return link(endpoint, str(endpoint))
    if name in ("since", "until"):
        return when(datetime.fromisoformat(value))
    return str(value) or NOTHING
