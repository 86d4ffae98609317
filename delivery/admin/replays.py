"""Replays: how far each has come, and the button that stops it."""

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
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import display

from delivery.admin.browsing import Browsing, Window, known, link, when
from delivery.admin.display import pill
from delivery.models import Replay
from delivery.replaying import replays
from delivery.templatetags.delivery_admin import progress
from subscriptions.models import Endpoint
from webhooks.wire import ids

__all__ = ["ReplayAdmin"]

CANCEL = "delivery.change_replay"  # the permission to cancel one


@admin.register(Replay)
class ReplayAdmin(Browsing):
    list_display = ("public", "standing", "progress", "rate", "of_tenant", "requested_by", "created")
    list_select_related = ("tenant",)
    list_filter = (
        ("tenant", AutocompleteSelectFilter),
        ("state", ChoicesDropdownFilter),
        ("created_at", Window),
    )
    searched = {"rpl": "pk"}
    search_help_text = "A replay's id (rpl_...), whole."
    fields = (("public", "of_tenant"), ("what", "wanted"), ("requested_by", "created"))
    readonly_fields = tuple(name for line in fields for name in line)
    change_form_outer_before_template = "delivery/admin/replay.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Replay]:
        rows: QuerySet[Replay] = super().get_queryset(request)
        return rows.select_related("tenant")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.cancel_view)
        return [path("<uuid:pk>/cancel/", page, name="delivery_replay_cancel"), *super().get_urls()]

    def cancel_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Stop it, by POST; what was brought back stays so."""
        if not request.user.has_perm(CANCEL):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = get_object_or_404(Replay, pk=pk)
        if replays.cancel(row):
            self.log_change(request, row, "Cancelled.")
            messages.success(request, f"{row.public_id} is cancelled.")
        else:
            messages.warning(request, f"{row.public_id} was not running any more.")
        return redirect("admin:delivery_replay_change", pk)

    @display(description="Replay")
    def public(self, row: Replay) -> str:
        return row.public_id

    @display(description="State")
    def standing(self, row: Replay) -> str:
        return pill(row.state)

    @display(description="Progress")
    def progress(self, row: Replay) -> str:
        return format_html("{} {} / {}", progress(row), f"{row.replayed:,}", f"{row.total:,}")

    @display(description="Tenant")
    def of_tenant(self, row: Replay) -> str:
        return link(row.tenant, row.tenant.name) if row.tenant else "All tenants"

    @display(description="Requested (UTC)")
    def created(self, row: Replay) -> str:
        return when(row.created_at)

    @display(description="What is sent again")
    def what(self, row: Replay) -> str:
        return str(row.get_scope_display())

    @display(description="Filter")
    def wanted(self, row: Replay) -> str:
        lines = [(name.capitalize(), _said(name, value)) for name, value in row.filter.items()]
        return format_html_join("", "<div>{}: {}</div>", lines) or "everything"


def _said(name: str, value: Any) -> str:
    """A value of the filter as people read it."""
    if name == "ids":
        return f"{len(value)} chosen"
    if name == "endpoint" and (endpoint := known(Endpoint.objects.all(), ids.parse(Endpoint.prefix, value))):
        return link(endpoint, str(endpoint))
    if name in ("since", "until"):
        return when(datetime.fromisoformat(value))
    return str(value)
