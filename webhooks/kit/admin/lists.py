"""List the rows of a table in the admin, however large it is: newest first, without a count, searched by an index.

The pages use django-unfold where it is installed, and Django's own admin where it is not.
"""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core.paginator import Paginator
from django.db.models import DateTimeField, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import capfirst
from django.utils.functional import cached_property
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

from webhooks.kit.admin.deletions import in_words
from webhooks.kit.admin.display import show_to, whole_id
from webhooks.kit.rows import find_by_uid
from webhooks.wire.ids import parse

HISTORY_PAGE = "webhooks.admin.audit.history.history_page"  # rooms above: wired by name
RECORD_OPERATION = "webhooks.audit.entries.record_about"
MAX_COUNTED = 10_000  # rows the bounded paginator counts; filters reach the others


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Count at most MAX_COUNTED rows."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MAX_COUNTED].count())


if apps.is_installed("unfold"):
    from unfold.admin import ModelAdmin
    from unfold.paginator import InfinitePaginator as ListPaginator
else:

    class ModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg,no-redef]
        """Show what unfold shows by the attributes ``list_before_template`` and ``change_form_..._template``."""

        change_list_template = "webhooks/admin/plain_list.html"
        change_form_template = "webhooks/admin/plain_form.html"

    ListPaginator = BoundedPaginator


class AuditedAdmin:
    """Show the audit as the history of a row, record the operations on it there, and say what a deletion deletes.

    A base before a ModelAdmin.
    """

    empty_note: ClassVar[str] = ""
    """Where the rows of this list come from: shown while there are none."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what is deleted with these rows in words, and as Django does what forbids it."""
        _, _, lacking, protected = super().get_deleted_objects(objs, request)  # type: ignore[misc]
        return *in_words(objs), lacking, protected

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list under its own name, in place of "Select event to change"."""
        title = capfirst(self.opts.verbose_name_plural)  # type: ignore[attr-defined]
        page: HttpResponse = super().changelist_view(request, {"title": title, **(extra_context or {})})  # type: ignore[misc]
        return page

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Return the field of a form; the label of a time says that it is in UTC, as the form reads it."""
        field = super().formfield_for_dbfield(db_field, request, **options)  # type: ignore[misc]
        if field is not None and isinstance(db_field, DateTimeField):
            field.label = f"{field.label} (UTC)"
        return field

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what the audit has recorded of a row, in place of what was done in the admin only."""
        page: HttpResponse = import_string(HISTORY_PAGE)(self, request, object_id)
        return page

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        """Record an operation on a row, also in the audit, unless the operation has an entry about it."""
        import_string(RECORD_OPERATION)(obj, message)
        logged: LogEntry = super().log_change(request, obj, message)  # type: ignore[misc]
        return logged


class AdminList(AuditedAdmin, ModelAdmin):  # type: ignore[misc]
    """Show rows that are not added, changed or deleted here; a subclass grants more.

    ``search_columns`` maps the prefix of a TypeID to the column that is searched for it; without it, the row's own id.
    """

    search_columns: ClassVar[Mapping[str, str]] = {}
    searches_names: ClassVar[bool] = False
    """Whether a part of the name finds a row: of small tables. ``search_help_text`` has to say so."""
    search_help_text = "Search by ID (exact)"
    search_fields = ("id",)  # shows the search box; get_search_results decides
    ordering: tuple[str, ...] = ("-id",)
    sortable_by: tuple[str, ...] = ()
    paginator = ListPaginator
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

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Allow the conditions of the list's own filters: any other column would tell what it hides, bit by bit."""
        names = [it[0] if isinstance(it, tuple) else getattr(it, "parameter_name", it) for it in self.list_filter]
        declared = any(lookup == name or lookup.startswith((f"{name}__", f"{name}_")) for name in names)
        return declared and bool(super().lookup_allowed(lookup, value, request))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        show_to(request.user)
        page: HttpResponse = super().changelist_view(request, extra_context)
        return page

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        show_to(request.user)
        page: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        return page

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        show_to(getattr(request, "user", None))  # a search may ask what the user may see
        term = search_term.strip().replace("\0", "")
        return (self.find(queryset, term) if term else queryset), False

    def find(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Return the rows that match a TypeID or a bare UUID; without a match, those of ``find_text``."""
        columns = self.search_columns or {getattr(self.model, "prefix", ""): "pk"}
        prefix = term.rpartition("_")[0]
        try:
            if prefix in columns:
                return rows.filter(**{columns[prefix]: parse(prefix, term)})
            found = rows.filter(pk=UUID(term))
        except ValueError:
            return self.find_text(rows, term)
        return found if found.exists() else self.find_text(rows, term)

    def find_text(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Return the rows with this uid, and those of which a part of the name is searched for.

        A subclass searches other columns: indexed ones, if the table is large.
        """
        found = find_by_uid(rows, term)
        return found | rows.filter(name__icontains=term) if self.searches_names else found

    @admin.display(description="ID")
    def public_id(self, row: Any) -> SafeString:
        return whole_id(str(row.public_id))


def find_by_id_or_uid(rows: QuerySet[Any], reference: str) -> QuerySet[Any]:
    """Return the row with this TypeID or this uid."""
    try:
        return rows.filter(pk=parse(rows.model.prefix, reference))
    except ValueError:
        return find_by_uid(rows, reference)
