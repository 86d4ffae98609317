"""List what a source was sent: the columns and filters that receipts and rejections share."""

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from webhooks.audit.looks import may_see_payload
from webhooks.kit.admin.display import code, column, link, when
from webhooks.kit.admin.filters import RelatedFilter
from webhooks.kit.admin.lists import AdminList
from webhooks.wire.ids import first_id_at

SEES_PAYLOADS = "webhooks.view_payload"  # permission
SOURCE_FILTER: tuple[Any, ...] = (("source", RelatedFilter),)


class MessageList(AdminList):
    """List rows that belong to a source and have request headers."""

    list_select_related = ("source",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out the body and the headers for users who may not see payloads, and record who sees them.

        What quotes them otherwise is hidden by the field that shows it.
        """
        sets = super().get_fieldsets(request, obj)
        if obj is None or may_see_payload(request, obj):
            return sets
        return [it for it in sets if it[0] != "Body" and not str(it[0]).startswith("Headers")]

    source_link = column("Source", lambda row: link(row.source, str(row.source)))
    headers_block = column(
        "Headers", lambda row: code("\n".join(f"{name}: {value}" for name, value in sorted(row.headers.items())))
    )
    received = column("Received", lambda row: when(row.received_at))


class ReceivedFilter(admin.SimpleListFilter):
    """Filter by time as a range of ids, which grow with time and are indexed."""

    title = "received"
    parameter_name = "received"
    PERIODS: ClassVar[dict[str, timedelta]] = {
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "week": timedelta(days=7),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"Last {name}") for name in self.PERIODS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        period = self.PERIODS.get(self.value() or "")
        return queryset if period is None else queryset.filter(id__gte=first_id_at(timezone.now() - period))
