"""Show event types: their owner, how events are checked against the schema, and every version of the schema.

They are changed over the REST API or by importing a document.
"""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from subscriptions.event_types.exact_json import indented
from subscriptions.event_types.models import EventType
from webhooks.kit.admin.display import NOTHING, Tone, column, link, pill, when
from webhooks.kit.admin.filters import BooleanFilter, RelatedFilter
from webhooks.kit.admin.lists import AdminList

TONES: dict[str, Tone] = {"current": "good", "deprecated": "warn", "archived": "info"}


class OwnerFilter(admin.SimpleListFilter):
    """Filter event types by whether they are the deployment's or a tenant's."""

    title, parameter_name = "owner", "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("deployment", "Deployment"), ("tenants", "Tenants")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[EventType]) -> QuerySet[EventType]:
        if self.value() is None:
            return queryset
        return queryset.filter(tenant__isnull=self.value() == "deployment")


@admin.register(EventType)
class EventTypeAdmin(AdminList):
    """Show event types with their schemas and examples."""

    empty_note = (
        "The catalogue is optional: a type that is in it has a description, and may have a schema. POST "
        "/api/v1/event-types/ adds one."
    )
    ordering = ("name", "-id")
    list_display = ("name", "owner", "group", "state", "schema_version", "schema_check", "updated")
    list_select_related = ("tenant",)
    list_filter = (
        OwnerFilter,
        ("tenant", RelatedFilter),
        "schema_check",
        ("deprecated", BooleanFilter),
        ("archived", BooleanFilter),
    )
    search_help_text = "Search in name, group and description, or by ID (exact)"
    fields = (
        ("name", "public_id"),
        ("owner", "group"),
        ("state", "schema_version"),
        "schema_check",
        "description",
        "paths",
        ("created", "updated"),
    )
    readonly_fields = ("name", "public_id", "owner", "state", "schema_version", "paths", "created", "updated")
    change_form_after_template = "subscriptions/admin/event_type.html"

    def find_text(self, rows: QuerySet[EventType], term: str) -> QuerySet[EventType]:
        words = Q(name__icontains=term) | Q(group__icontains=term) | Q(description__icontains=term)
        return rows.filter(words)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if row is not None and self.has_view_permission(request, row):
            context |= {
                "event_type": row,
                "schemas": [(it, indented(it.document)) for it in row.schemas.order_by("-version")],
                "examples": [indented(it) for it in row.examples],
                "in_catalogue": row.tenant_id is None and not row.archived,
            }
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    created = column("Created", lambda row: when(row.created_at))
    updated = column("Updated", lambda row: when(row.updated_at))
    paths = column("Indexed paths", lambda row: ", ".join(row.indexed_paths) or NOTHING)
    owner = column("Owner", lambda row: "Deployment" if row.tenant is None else link(row.tenant, str(row.tenant)))

    @admin.display(description="State")
    def state(self, row: EventType) -> SafeString:
        state = "archived" if row.archived else "deprecated" if row.deprecated else "current"
        return pill(state, TONES[state])

    schema_version = column("Schema", lambda row: f"Version {row.version}" if row.version else "None")
