"""A list is asked in the words of its description; a name that is not among them is refused, not passed over.

A filter that is misspelt and passed over answers with everything, which looks like an answer. The words are taken from
where the description takes them: the pages (``get_schema_operation_parameters``), the filters of the view
(``filterset_class``), or the serializer of its query (``query``). A list of tomorrow that declares one of these is
described and held to it, and needs nothing else.
"""

from typing import Any

from django_filters import BooleanFilter
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request

__all__ = ["refuse_unknown", "words_of"]

FLAGS = ("true", "false", "True", "False")  # as JSON has them, and as Python's clients write them
TENANT = "tenant"  # as the header Waypost-Tenant, on every call; whoever looks it up has a word on an empty one


def refuse_unknown(request: Request, pages: BasePagination, view: Any) -> None:
    """Raise ValidationError naming each parameter that the list of this view does not have, or that says nothing, two
    things, or of a flag neither true nor false."""
    words, flags = words_of(pages, view), _flags_of(view)
    errors = {
        name: [reason]
        for name, values in request.query_params.lists()
        if name != TENANT and (reason := _objection(name, values, words, flags))
    }
    if errors:
        raise ValidationError(errors, code="unknown")


def words_of(pages: BasePagination, view: Any) -> set[str]:
    """The names of what this list may be asked."""
    words = {str(it["name"]) for it in pages.get_schema_operation_parameters(view)}
    filters = getattr(view, "filterset_class", None)
    query = getattr(view, "query", None)
    return words | set(filters.base_filters if filters else ()) | set(query().fields if query else ())


def _flags_of(view: Any) -> set[str]:
    """Those of them that are true or false: of any other value a filter would make nothing, and pass over it."""
    filters = getattr(getattr(view, "filterset_class", None), "base_filters", {})
    return {name for name, it in filters.items() if isinstance(it, BooleanFilter)}


def _objection(name: str, values: list[Any], words: set[str], flags: set[str]) -> str:
    if name not in words:
        return f"There is no such parameter; there are {', '.join(sorted(words))}."
    if len(values) > 1:
        return "Give it once."
    if not values[0]:
        return "Give a value, or leave it out."
    return "Say true or false." if name in flags and values[0] not in FLAGS else ""
