"""A table of any size can be browsed: newest first, without a count, searched by what an index can find."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django.apps import apps
from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property

from webhooks.admin.display import code, link, when
from webhooks.processing.receipts import first_id_at
from webhooks.wire.ids import parse

MAX_COUNTED = 10_000  # rows; whoever wants to see more, narrows the list


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than a bound."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MAX_COUNTED].count())


if apps.is_installed("unfold"):
    from unfold.admin import ModelAdmin
    from unfold.contrib.filters.admin import AutocompleteSelectFilter
    from unfold.paginator import InfinitePaginator as Pages

    BY_SOURCE: tuple[Any, ...] = (("source", AutocompleteSelectFilter),)
else:
    from django.contrib.admin import ModelAdmin

    Pages, BY_SOURCE = BoundedPaginator, ()


class Browsing(ModelAdmin):  # type: ignore[misc]
    """Rows nobody edits. ``searched`` says which column an id of which prefix is looked up in."""

    searched: ClassVar[Mapping[str, str]] = {}
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("id",)
    paginator = Pages
    show_full_result_count = False
    list_per_page = list_max_show_all = 50
    list_disable_select_all = True
    list_fullwidth = True
    list_filter_submit = True

    class Media:
        css = {"all": ["webhooks/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip().replace("\0", "")
        return (self.find(queryset, term) if term else queryset), False

    def find(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """The rows this term names: by a TypeID, or by what ``find_text`` makes of it."""
        prefix = term.partition("_")[0]
        if prefix in self.searched:
            try:
                return rows.filter(**{self.searched[prefix]: parse(prefix, term)})
            except ValueError:
                pass  # it only looks like one
        return self.find_text(rows, term)

    def find_text(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Nothing, unless the table has another name for its rows."""
        return rows.none()

    @admin.display(description="Id")
    def public(self, row: Any) -> str:
        return str(row.public_id)

    @admin.display(description="Source")
    def of_source(self, row: Any) -> str:
        return link(row.source, str(row.source))

    @admin.display(description="Headers")
    def headers_shown(self, row: Any) -> str:
        return code("\n".join(f"{name}: {value}" for name, value in sorted(row.headers.items())))

    @admin.display(description="Received (UTC)")
    def received(self, row: Any) -> str:
        return when(row.received_at)


class ReceivedFilter(admin.SimpleListFilter):
    """A window of time is a range of ids, since these grow with time."""

    title = "received"
    parameter_name = "received"
    WINDOWS: ClassVar[dict[str, timedelta]] = {
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "week": timedelta(days=7),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"In the last {name}") for name in self.WINDOWS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        window = self.WINDOWS.get(self.value() or "")
        return queryset if window is None else queryset.filter(id__gte=first_id_at(timezone.now() - window))
