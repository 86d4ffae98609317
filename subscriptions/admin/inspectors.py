"""Show request inspectors with the requests that they received. They are created over the REST API."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from subscriptions.inspectors.inspectors import page_url_of, url_of
from subscriptions.inspectors.shown_requests import shown_requests
from subscriptions.models import Inspector
from webhooks.audit.looks import HIDDEN, may_see_payload
from webhooks.kit.admin.display import NOTHING, code, column, link, pill, when
from webhooks.kit.admin.filters import RelatedFilter
from webhooks.kit.admin.lists import AdminList


@admin.register(Inspector)
class InspectorAdmin(AdminList):
    """Show request inspectors and their requests."""

    empty_note = "An inspector is a temporary address that shows the requests it gets: POST /api/v1/inspectors/."
    list_display = ("public_id", "name", "tenant_link", "responds", "request_count", "latest", "end", "live_page")
    list_select_related = ("tenant",)
    list_filter = (("tenant", RelatedFilter),)
    search_columns = {"insp": "pk", "tnt": "tenant_id"}
    search_help_text = "Search by ID of an inspector or a tenant (exact), or part of the name"
    searches_names = True
    fields = (("public_id", "name"), ("tenant_link", "responds"), ("end", "live_page"), "address")
    readonly_fields = ("public_id", "name", "tenant_link", "responds", "end", "live_page", "address")
    change_form_after_template = "subscriptions/admin/inspector.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Inspector]:
        rows: QuerySet[Inspector] = super().get_queryset(request)
        return rows.annotate(requests_kept=Count("requests"), latest_at=Max("requests__received_at"))

    def get_fields(self, request: HttpRequest, obj: Inspector | None = None) -> Any:
        """Leave out the link to the live page, which shows the requests to all who have it."""
        if request.user.has_perm("subscriptions.view_payload"):
            return self.fields
        return (("public_id", "name"), ("tenant_link", "responds"), "end", "address")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if row is not None and self.has_view_permission(request, row):
            sees = may_see_payload(request, row)
            shown = shown_requests(row.requests.all()) if sees else []
            context |= {"inspector": row, "requests": shown, "hidden": "" if sees else HIDDEN}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    tenant_link = column("Tenant", lambda row: link(row.tenant, str(row.tenant)))
    request_count = column("Requests", lambda row: row.requests_kept)
    latest = column("Latest request", lambda row: when(row.latest_at))
    address = column("Address for requests", lambda row: code(url_of(row)))

    @admin.display(description="Responds")
    def responds(self, row: Inspector) -> SafeString:
        status = pill(str(row.response_status), "good" if row.response_status < 300 else "warn")
        return format_html("{} after {} ms", status, row.response_delay_ms) if row.response_delay_ms else status

    @admin.display(description="Expires")
    def end(self, row: Inspector) -> SafeString | str:
        return pill("expired", "info") if _is_over(row) else when(row.expires_at)

    @admin.display(description="Live page")
    def live_page(self, row: Inspector) -> SafeString | str:
        if _is_over(row):
            return NOTHING
        text = '<a class="wp-link" href="{}" target="_blank" rel="noopener noreferrer">Open</a>'
        return format_html(text, page_url_of(row))


def _is_over(row: Inspector) -> bool:
    return row.expires_at <= timezone.now() or row.tenant.deleted_at is not None
