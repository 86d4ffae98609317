"""Event types, as operators read them: whose they are, what becomes of events that do not fit, every schema there was.

They are changed over REST, or by importing a document: a schema is checked there as a whole.
"""

import json
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, BooleanRadioFilter
from unfold.decorators import display

from subscriptions.admin.browsing import Browsing
from subscriptions.event_types.models import EventType, SchemaCheckMode
from webhooks.wire.ids import parse

__all__ = ["EventTypeAdmin"]

CURRENT, DEPRECATED, ARCHIVED = "Current", "Deprecated", "Archived"


class Whose(admin.SimpleListFilter):
    """The deployment's own types stand beside those of its tenants."""

    title, parameter_name = "whose", "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("deployment", "The deployment's"), ("tenants", "Tenants' own")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[EventType]) -> QuerySet[EventType]:
        if self.value() is None:
            return queryset
        return queryset.filter(tenant__isnull=self.value() == "deployment")


@admin.register(EventType)
class EventTypeAdmin(Browsing):
    ordering = ("name", "-id")
    list_display = ("name", "whose", "group", "standing", "its_version", "unfit", "updated_at")
    list_select_related = ("tenant",)
    list_filter = (
        Whose,
        ("tenant", AutocompleteSelectFilter),
        "schema_check",
        ("deprecated", BooleanRadioFilter),
        ("archived", BooleanRadioFilter),
    )
    list_filter_submit = list_fullwidth = True
    search_help_text = "A part of a name, a group or a description; or an id, whole."
    fields = (
        ("name", "public_id"),
        ("whose", "group"),
        ("standing", "its_version", "unfit"),
        "description",
        ("created_at", "updated_at"),
    )
    readonly_fields = ("name", "public_id", "whose", "standing", "its_version", "unfit", "created_at", "updated_at")
    change_form_after_template = "subscriptions/admin/event_type.html"

    class Media:
        css = {"all": ["subscriptions/admin.css"]}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[EventType], search_term: str
    ) -> tuple[QuerySet[EventType], bool]:
        term = search_term.strip().replace("\0", "")
        return (_called(queryset, term) if term else queryset), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if row is not None and self.has_view_permission(request, row):
            context |= {
                "event_type": row,
                "schemas": [(it, _pretty(it.document)) for it in row.schemas.order_by("-version")],
                "examples": [_pretty(it) for it in row.examples],
                "in_catalogue": row.tenant_id is None and not row.archived,
            }
        answer: HttpResponse = super().change_view(request, object_id, form_url, context)
        return answer

    @display(description="Whose")
    def whose(self, row: EventType) -> SafeString | str:
        if row.tenant is None:
            return "The deployment's"
        address = reverse("admin:subscriptions_tenant_change", args=[row.tenant_id])
        return format_html('<a class="text-primary-600 font-medium" href="{}">{}</a>', address, row.tenant)

    @display(description="State", label={CURRENT: "success", DEPRECATED: "warning", ARCHIVED: "info"})
    def standing(self, row: EventType) -> str:
        return ARCHIVED if row.archived else DEPRECATED if row.deprecated else CURRENT

    @display(description="Schema")
    def its_version(self, row: EventType) -> str:
        return f"Version {row.version}" if row.version else "None"

    @display(description="Event that does not match")
    def unfit(self, row: EventType) -> str:
        return {SchemaCheckMode.OFF: "is taken", SchemaCheckMode.WARN: "is taken, with a warning"}.get(
            SchemaCheckMode(row.schema_check), "is refused"
        )


def _called(rows: QuerySet[EventType], term: str) -> QuerySet[EventType]:
    """Those that this search term names."""
    try:
        return rows.filter(pk=parse(EventType.prefix, term))
    except ValueError:
        pass
    try:
        return rows.filter(pk=UUID(term))
    except ValueError:
        words = Q(name__icontains=term) | Q(group__icontains=term) | Q(description__icontains=term)
        return rows.filter(words)


def _pretty(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)
