"""A table of any size can be browsed: newest first, without a count, searched by what an index can find."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.dateparse import parse_date, parse_time
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter

from delivery.reading import queries
from subscriptions.admin.browsing import Browsing as Uncounted
from subscriptions.models import Row
from webhooks.wire import ids

__all__ = ["Browsing", "Window", "known", "link", "when"]

M = TypeVar("M", bound=Model)

DAY = timedelta(days=1)
LAST_DAY = datetime(9999, 12, 31, tzinfo=UTC)


class Browsing(Uncounted):
    """Pages of rows nobody edits. ``searched`` says which column an id of which prefix is looked up in."""

    searched: ClassVar[Mapping[str, str]] = {}
    search_help_text = "An id, whole."
    list_filter_submit = True
    list_fullwidth = True

    class Media:
        css = {"all": ["delivery/admin.css"]}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        term = search_term.strip().replace("\0", "")
        return (self.find(queryset, term) if term else queryset), False

    def find(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """The rows this search term names: a TypeID, a bare UUID, or what ``find_text`` makes of it."""
        prefix = term.rpartition("_")[0]
        try:
            if prefix in self.searched:
                return rows.filter(**{self.searched[prefix]: ids.parse(prefix, term)})
            named = rows.filter(pk=UUID(term))
        except ValueError:
            return self.find_text(rows, term)
        return named if named.exists() else self.find_text(rows, term)

    def find_text(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Nothing, unless the table has another name for its rows."""
        return rows.none()


class Window(RangeDateTimeFilter):  # type: ignore[misc]
    """From one moment to another, in UTC. A day without a time is the whole day."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> QuerySet[M]:
        since, until = self.read(self.used_parameters, self.parameter_name)
        return queries.within(queryset, self.parameter_name, since, until)

    @staticmethod
    def read(params: Mapping[str, Any], name: str) -> tuple[datetime | None, datetime | None]:
        """The two ends as the form gives them, the second not included; what cannot be read is None."""
        since, _ = _moment(params.get(f"{name}_from_0"), params.get(f"{name}_from_1"))
        until, whole_day = _moment(params.get(f"{name}_to_0"), params.get(f"{name}_to_1"))
        if until and whole_day:
            until = until + DAY if until < LAST_DAY else datetime.max.replace(tzinfo=UTC)
        return since, until


def _moment(day: str | None, clock: str | None) -> tuple[datetime | None, bool]:
    """The instant, and whether it is a day without a time."""
    try:
        date, at = parse_date(day or ""), parse_time(clock or "")
    except ValueError:
        return None, False
    return (datetime.combine(date, at or time.min, UTC) if date else None), at is None


def link(row: Row | None, text: str | None = None) -> SafeString | str:
    """A link to the admin's page of a row; ``text`` is its public id unless given."""
    if row is None:
        return "-"
    path = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    said = text or row.public_id
    shown = said.removeprefix("https://")  # in a narrow column the rest says more
    return format_html('<a class="wp-link" href="{}" title="{}">{}</a>', path, said, shown)


def known(rows: QuerySet[M], key: UUID | None) -> M | None:
    """The row with this key; None if there is none any more: retention takes one table at a time."""
    return None if key is None else rows.filter(pk=key).first()


def when(moment: datetime | None) -> SafeString | str:
    """An instant to the second, with the rest in its tooltip."""
    if moment is None:
        return "-"
    at = moment.astimezone(UTC)
    return format_html(
        '<time class="wp-time" datetime="{}" title="{}">{}</time>',
        at.isoformat(),
        at.isoformat(sep=" ", timespec="microseconds"),
        at.strftime("%Y-%m-%d %H:%M:%S"),
    )
