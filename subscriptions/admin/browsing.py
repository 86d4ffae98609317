"""Rows that operators read page by page: newest first, uncounted, deleted by nobody, for deliveries refer to them."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from subscriptions.errors import Invalid
from subscriptions.validation import is_uid
from webhooks.wire.ids import parse

__all__ = ["Browsing", "by_ref"]


class Browsing(ModelAdmin):  # type: ignore[misc]
    """Rows nobody deletes, newest first and uncounted; the search finds one by its id or uid."""

    ordering: tuple[str, ...] = ("-id",)
    sortable_by = ()
    search_fields = ("id",)  # opens the search box; get_search_results decides
    search_help_text = "An id or a uid, whole."
    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = list_max_show_all = 50
    list_disable_select_all = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (by_ref(queryset, term) if term else queryset), False

    @admin.display(description="Id")
    def public_id(self, row: Any) -> str:
        return str(row.public_id)

    def shown_once(self, request: HttpRequest, title: str, shown: list[tuple[str, str]]) -> HttpResponse:
        """The one page with these texts."""
        context = {**self.admin_site.each_context(request), "title": title, "shown": shown, "opts": self.opts}
        answer = TemplateResponse(request, "subscriptions/shown_once.html", context)
        answer["Cache-Control"] = "no-store"
        return answer

    def each(self, request: HttpRequest, chosen: QuerySet[Any], verb: Any, done: str) -> None:
        """Call the verb for each row, write down who did, and say what it refused."""
        for row in chosen:
            try:
                verb(row)
            except Invalid as error:
                self.message_user(request, f"{row}: {error}", messages.ERROR)
            except row.DoesNotExist:
                self.message_user(request, f"{row} is deleted.", messages.ERROR)
            else:
                self.log_change(request, row, done)
                self.message_user(request, f"{row}: {done}.", messages.SUCCESS)


def by_ref(rows: QuerySet[Any], ref: str) -> QuerySet[Any]:
    """The rows with this id or, where there is one, this uid."""
    try:
        return rows.filter(pk=parse(rows.model.prefix, ref))
    except ValueError:
        return rows.filter(uid=ref) if hasattr(rows.model, "uid") and is_uid(ref) else rows.none()
