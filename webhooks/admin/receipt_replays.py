"""Show replays of receipts with their progress; running ones can be cancelled."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join

from webhooks.admin.owners import owner_link, with_owner_names
from webhooks.kit.admin.display import column
from webhooks.kit.admin.filters import ChoicesFilter
from webhooks.kit.admin.jobs import JobAdmin
from webhooks.models import ReceiptReplay
from webhooks.processing.replays import states_of


@admin.register(ReceiptReplay)
class ReceiptReplayAdmin(JobAdmin):
    """Show replays of receipts."""

    empty_note = (
        "A replay lets the handlers process received messages again; it is started on the page of a "
        "source or a receipt."
    )
    unit = "receipts"
    list_display = ("public_id", "state_column", "progress", "speed", "owner", "requested_by", "created")
    list_filter = (("state", ChoicesFilter),)
    fields = (("public_id", "owner"), ("filter_lines",), ("requested_by", "created"))
    readonly_fields = tuple(name for line in fields for name in line)

    owner = column("Tenant", lambda row: owner_link(row, "All tenants"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReceiptReplay]:
        return with_owner_names(super().get_queryset(request))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if row is not None and self.has_view_permission(request, row):
            counted = states_of(row)
            context["states"] = [(state, getattr(counted, state), "") for state in ("pending", "processed", "dead")]
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    @admin.display(description="Filter")
    def filter_lines(self, row: ReceiptReplay) -> str:
        lines = [(name.capitalize(), f"{len(it)} selected" if name == "ids" else it) for name, it in row.filter.items()]
        return format_html_join("", "<div>{}: {}</div>", lines) or "No filter"
