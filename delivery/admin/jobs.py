"""Show replays, jobs on dead letters and broadcasts with their progress; running ones can be cancelled."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from delivery.admin.display import find
from delivery.admin.finding.find_page import SEES_PAYLOADS
from delivery.admin.time_filter import TimeRangeFilter
from delivery.models import Broadcast, DeadLetterJob, Delivery, Replay
from delivery.replaying.replay_status import states_of, warnings_of
from subscriptions.models import Endpoint
from webhooks.audit.looks import HIDDEN, may_see_payload
from webhooks.kit.admin.display import NOTHING, column, link, may, when
from webhooks.kit.admin.filters import ChoicesFilter, RelatedFilter
from webhooks.kit.admin.jobs import JobAdmin
from webhooks.wire import ids


@admin.register(Replay)
class ReplayAdmin(JobAdmin):
    """Show replays."""

    empty_note = "A replay is started on the lists of dead letters and of events, or by POST /api/v1/replays/."
    unit = "re-queued"
    list_display = ("public_id", "state_column", "progress", "speed", "tenant_link", "requested_by", "created")
    list_select_related = ("tenant",)
    list_filter = (
        ("tenant", RelatedFilter),
        ("state", ChoicesFilter),
        ("created_at", TimeRangeFilter),
    )
    fields = (("public_id", "tenant_link"), ("scope_text", "filter_lines"), ("requested_by", "created"))
    readonly_fields = (*(name for line in fields for name in line), "error")

    def get_fields(self, request: HttpRequest, obj: Replay | None = None) -> Any:
        return (*self.fields, "error") if obj is not None and obj.error else self.fields

    tenant_link = column("Tenant", lambda row: link(row.tenant, row.tenant.name) if row.tenant else "All tenants")
    scope_text = column("Scope", lambda row: str(row.get_scope_display()))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if row is not None and self.has_view_permission(request, row):
            counted = states_of(row)
            context["states"] = [
                (state, getattr(counted, state), _deliveries_path(row, state)) for state in Delivery.State.values
            ]
            context["warnings"] = warnings_of(row)
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    filter_lines = column("Filter", lambda row: _lines(row.filter))


@admin.register(DeadLetterJob)
class DeadLetterJobAdmin(JobAdmin):
    """Show jobs that discard or acknowledge dead letters."""

    empty_note = "A job discards or acknowledges many dead letters at once; it is started on their list."
    unit = "dead letters"
    list_display = ("public_id", "state_column", "operation", "progress", "tenant_link", "requested_by", "created")
    list_select_related = ("tenant",)
    list_filter = (
        ("tenant", RelatedFilter),
        ("operation", ChoicesFilter),
        ("state", ChoicesFilter),
        ("created_at", TimeRangeFilter),
    )
    fields = (("public_id", "tenant_link"), ("operation", "filter_lines"), "note", ("requested_by", "created"))
    readonly_fields = ("public_id", "tenant_link", "operation", "filter_lines", "note", "requested_by", "created")

    tenant_link = column("Tenant", lambda row: link(row.tenant, row.tenant.name) if row.tenant else "All tenants")
    filter_lines = column("Filter", lambda row: _lines(row.filter))


@admin.register(Broadcast)
class BroadcastAdmin(JobAdmin):
    """Show broadcasts."""

    empty_note = "A broadcast publishes one event to many tenants: POST /api/v1/broadcasts/."
    unit = "tenants"
    list_display = ("public_id", "state_column", "type", "progress", "failed", "label_list", "requested_by", "created")
    list_filter = (("state", ChoicesFilter), ("created_at", TimeRangeFilter))
    fields = (
        ("public_id", "type"),
        *(("source", "cloudevent_id"), ("label_list", "failed"), "error_text", ("requested_by", "created")),
    )
    readonly_fields = (
        "public_id",
        "type",
        "source",
        "cloudevent_id",
        "label_list",
        "failed",
        "error_text",
        "requested_by",
    )

    def get_fields(self, request: HttpRequest, obj: Broadcast | None = None) -> Any:
        """Record who sees the error, which may quote the data of the event."""
        if obj is not None and obj.last_error:
            may_see_payload(request, obj)
        return self.fields

    cloudevent_id = column("CloudEvent ID", lambda row: row.event_id)
    error_text = column(
        "Last error", lambda row: row.last_error if may(SEES_PAYLOADS) or not row.last_error else HIDDEN
    )

    @admin.display(description="Tenants")
    def label_list(self, row: Broadcast) -> SafeString | str:
        labels = [f"{name}:{value}" for name, value in sorted(row.labels.items())]
        return ", ".join(labels) or "All tenants"


def _deliveries_path(row: Replay, state: str) -> str:
    """Return the path of the list of a replay's deliveries in one state. Index: delivery_by_replay."""
    query = urlencode({"replay__id__exact": str(row.pk), "state__exact": state})
    return f"{reverse('admin:delivery_delivery_changelist')}?{query}"


def _lines(conditions: dict[str, Any]) -> str:
    lines = [(name.capitalize().replace("_", " "), _text(name, value)) for name, value in conditions.items()]
    return format_html_join("", "<div>{}: {}</div>", lines) or "No filter"


def _text(name: str, value: Any) -> str:
    """Return a value of the filter as shown on the page."""
    if name == "ids":
        return f"{len(value)} selected"
    if name == "endpoint" and (endpoint := find(Endpoint.objects.all(), ids.parse(Endpoint.prefix, value))):
        return link(endpoint, str(endpoint))
    if name in ("since", "until", "attempted_since", "attempted_until"):
        return when(datetime.fromisoformat(value))
    return str(value) or NOTHING
