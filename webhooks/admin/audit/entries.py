"""Show the audit: search, filter, read and export its entries."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from webhooks.admin.message_list import ReceivedFilter
from webhooks.admin.owners import owner_link
from webhooks.audit.lines import as_line, changes_of
from webhooks.audit.looks import hide_payload_values
from webhooks.audit.models import AuditEntry
from webhooks.audit.objects import audited_models, object_named, public_object_id
from webhooks.kit.admin.display import NOTHING, Tone, column, pill, viewer, when, whole_id
from webhooks.kit.admin.filters import ChoicesFilter
from webhooks.kit.admin.lists import AdminList

MAX_EXPORTED = 50_000  # entries of one file: the newest
TONES: dict[str, Tone] = {
    "created": "good",
    "changed": "info",
    "deleted": "bad",
    "sign_in_failed": "warn",
    "locked_out": "bad",
}


class WhenFilter(ReceivedFilter):
    """Filter by time, as a range of ids."""

    title = "time"
    parameter_name = "time"


@admin.register(AuditEntry)
class AuditEntryAdmin(AdminList):
    """Show entries of the audit."""

    empty_note = "Changes, sign-ins and looks at payloads appear here."
    list_display = ("at", "who", "did", "object_link", "fields_changed", "origin", "address")
    list_filter = (
        WhenFilter,
        ("action", ChoicesFilter),
        ("origin", ChoicesFilter),
        ("actor_type", ChoicesFilter),
    )
    search_help_text = "Search by ID of an object, an entry or a request, by user, or by tenant ID"
    list_before_template = "webhooks/admin/audit_bar.html"
    fieldsets = (
        ("Who", {"fields": (("who", "at"), ("origin", "address"), ("operation", "request_text"))}),
        ("What", {"fields": (("did", "object_link"), ("object_name", "tenant"), "changes")}),
    )

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.export)
        return [path("export/", page, name="webhooks_auditentry_export"), *super().get_urls()]

    def find(self, rows: QuerySet[AuditEntry], term: str) -> QuerySet[AuditEntry]:
        """Return the entries about an object, of a tenant, a user or a request; each by an index or the newest rows."""
        named = object_named(term)
        if named is None:
            return self.find_text(rows, term)
        kind, key = named
        if kind == "auditentry":
            return rows.filter(pk=key)
        about = Q(object_type=kind, object_key=key)
        return rows.filter(about | Q(tenant_id=key) if kind == "tenant" else about)

    def find_text(self, rows: QuerySet[AuditEntry], term: str) -> QuerySet[AuditEntry]:
        return rows.filter(Q(request_id=term) | Q(actor_name__icontains=term) | Q(object_name__icontains=term))

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """Return the entries that the list shows, as JSON lines, newest first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.get_changelist_instance(request).get_queryset(request)[:MAX_EXPORTED]
        lines = (as_line(hide_payload_values(request.user, it)) for it in rows.iterator(chunk_size=1_000))
        headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
        return StreamingHttpResponse(lines, content_type="application/jsonl", headers=headers)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        shown = f"{reverse('admin:webhooks_auditentry_export')}?{request.GET.urlencode()}"
        return super().changelist_view(request, {**(extra_context or {}), "export": shown})

    at = column("Time", lambda entry: when(entry.created_at))
    request_text = column("Request ID", lambda entry: entry.request_id or NOTHING)

    @admin.display(description="Who")
    def who(self, entry: AuditEntry) -> str:
        return entry.actor_name or entry.get_actor_type_display()

    @admin.display(description="What")
    def did(self, entry: AuditEntry) -> SafeString:
        shown = f"{entry.part} {entry.action}" if entry.part else entry.get_action_display()
        return pill(shown.replace("_", " "), TONES.get(entry.action, "plain"), entry.operation)

    @admin.display(description="Object")
    def object_link(self, entry: AuditEntry) -> SafeString | str:
        page, public_id = object_page(entry), public_object_id(entry)
        name = entry.object_name or public_id
        if not name:
            return entry.operation
        model = audited_models().get(entry.object_type)
        kind = model._meta.verbose_name if model else entry.object_type
        if not page:
            return f"{kind} {name}"
        shown = whole_id(name) if name == public_id else name
        return format_html('{} <a class="wp-link" href="{}" title="{}">{}</a>', kind, page, name, shown)

    @admin.display(description="Changed")
    def fields_changed(self, entry: AuditEntry) -> str:
        names = [name for name, _, _ in changes_of(entry)] if entry.action == "changed" else []
        return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") or NOTHING

    @admin.display(description="Values")
    def changes(self, entry: AuditEntry) -> SafeString | str:
        shown = changes_of(hide_payload_values(viewer(), entry))
        rows = format_html_join("", "<tr><th>{}</th><td>{}</td><td>{}</td></tr>", shown)
        head = "<tr><th>Field</th><th>Before</th><th>After</th></tr>"
        return format_html('<table class="wp-table">{}{}</table>', SafeString(head), rows) if rows else NOTHING

    tenant = column("Tenant", owner_link)


def object_page(entry: AuditEntry) -> str:
    """Return the path of the admin's page of the object; empty if there is none."""
    model = audited_models().get(entry.object_type)
    if model is None or not entry.object_key or model not in admin.site._registry:
        return ""
    return reverse(f"admin:{model._meta.app_label}_{entry.object_type}_change", args=[entry.object_key])
