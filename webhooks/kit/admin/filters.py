"""Filter the lists of the admin: by django-unfold where it is installed, by Django's own filters where it is not.

RelatedFilter   by a related row; never lists all of them. Unfold searches while the user types; without unfold the
                filter is set by links (``?endpoint__id__exact=...``), is shown, and can be removed
ChoicesFilter, BooleanFilter   by a field with choices, by a boolean
OneOfFilter     by choices that the subclass defines in ``lookups`` and applies in ``queryset``
TimeFields      by two times; the subclass reads them from ``used_parameters`` in ``queryset``
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Field, Model
from django.http import HttpRequest, QueryDict


class LinkedRowFilter(admin.FieldListFilter):
    """Show the related row that a link has selected, and how to remove the filter."""

    def __init__(
        self,
        field: "Field[Any, Any]",
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: "admin.ModelAdmin[Any]",
        field_path: str,
    ) -> None:
        self._parameter = f"{field_path}__id__exact"
        super().__init__(field, request, params, model, model_admin, field_path)
        given: Any = self.used_parameters.get(self._parameter) or [""]
        self._selected = str(given[0])
        self._row = self._find(field) if self._selected else None

    def _find(self, field: "Field[Any, Any]") -> Model | None:
        related: Any = field.related_model
        try:
            found: Model | None = related._default_manager.filter(pk=self._selected).first()
        except (ValueError, ValidationError):
            return None
        return found

    def expected_parameters(self) -> list[str | None]:
        """Return the query parameter."""
        return [self._parameter]

    def has_output(self) -> bool:
        """Return whether the filter is set."""
        return bool(self._selected)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield the selected row, and all."""
        without = changelist.get_query_string(remove=[self._parameter])
        yield {"selected": False, "query_string": without, "display": "All"}
        yield {"selected": True, "query_string": changelist.get_query_string(), "display": str(self._row or "Unknown")}


class PlainTimeFields(admin.FieldListFilter):
    """Ask for a day and a time of day of both ends, in a form of its own."""

    template = "webhooks/admin/time_filter.html"

    def __init__(
        self,
        field: "Field[Any, Any]",
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: "admin.ModelAdmin[Any]",
        field_path: str,
    ) -> None:
        self.parameter_name = field_path
        super().__init__(field, request, params, model, model_admin, field_path)
        given: dict[str, Any] = self.used_parameters
        self.used_parameters = {name: values[-1] for name, values in given.items()}

    def expected_parameters(self) -> list[str | None]:
        """Return the query parameters: those of unfold, so that a link means the same in both."""
        return [f"{self.field_path}_{end}" for end in ("from_0", "from_1", "to_0", "to_1")]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield the content of the form: its own fields, and the other parameters of the list."""
        kinds = [("From, UTC", "date"), ("", "time"), ("To, UTC", "date"), ("", "time")]
        own = [(str(name), *kind) for name, kind in zip(self.expected_parameters(), kinds, strict=True)]
        others = QueryDict(changelist.get_query_string(remove=[name for name, _, _ in own])[1:])
        yield {
            "fields": [(name, label, kind, self.used_parameters.get(name, "")) for name, label, kind in own],
            "others": [(name, value) for name, values in others.lists() for value in values],
        }


if apps.is_installed("unfold.contrib.filters"):
    from unfold.contrib.filters.admin import AutocompleteSelectFilter as RelatedFilter
    from unfold.contrib.filters.admin import BooleanRadioFilter as BooleanFilter
    from unfold.contrib.filters.admin import ChoicesDropdownFilter as ChoicesFilter
    from unfold.contrib.filters.admin import DropdownFilter as OneOfFilter
    from unfold.contrib.filters.admin import RangeDateTimeFilter as TimeFields
else:
    from django.contrib.admin import BooleanFieldListFilter as BooleanFilter
    from django.contrib.admin import ChoicesFieldListFilter as ChoicesFilter
    from django.contrib.admin import SimpleListFilter as OneOfFilter

    RelatedFilter, TimeFields = LinkedRowFilter, PlainTimeFields

__all__ = ["BooleanFilter", "ChoicesFilter", "OneOfFilter", "RelatedFilter", "TimeFields"]
