"""Read the query parameters of a request; reject unknown, repeated and empty ones.

A misspelt filter that is ignored returns everything, which looks like a result. So each view that reads parameters
declares them as a ``QueryParams`` serializer in ``query_params``. The OpenAPI description is made of the same fields.

A filter of a list is one field with a condition: ``state = ChoiceFilter(Endpoint.State.choices)``.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Self, TypeVar

from django.db.models import Q
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from webhooks.kit.rest.serializers import IdField, InstantField, ReferenceField, StrictSerializer

TENANT = "tenant"  # accepted by every request; the tenant scope reads and checks it
Condition = Callable[[Any], Q]
Unindexed = bool | Callable[[Mapping[str, Any]], bool]
V = TypeVar("V")


class QueryParams(StrictSerializer):
    """The query parameters of one view, each a field.

    Fields that are filters become conditions; the others are arguments of the view. ``read_elsewhere`` names parameters
    that another part of the request reads.
    """

    read_elsewhere: ClassVar[frozenset[str]] = frozenset({TENANT})

    @classmethod
    def read(cls, request: Request, *, known: Collection[str] = (), context: Mapping[str, Any] | None = None) -> Self:
        """Return the valid parameters of a request; ``known`` names those that the pagination reads."""
        elsewhere = cls.read_elsewhere | set(known)
        cls._check_names(request, elsewhere)
        own = {name: value for name, value in request.query_params.items() if name not in elsewhere}
        params = cls(data=own, context=dict(context or {}))
        params.is_valid(raise_exception=True)
        return params

    @classmethod
    def _check_names(cls, request: Request, elsewhere: Collection[str]) -> None:
        """Raise ValidationError that names each parameter that is unknown, repeated or empty."""
        fields = cls().fields
        names = {*fields, *elsewhere}
        errors = {}
        for name, values in request.query_params.lists():
            if name not in names:
                errors[name] = [f"Unknown parameter. Known parameters: {', '.join(sorted(names))}."]
            elif len(values) > 1 and name != TENANT:
                errors[name] = ["Must be given once."]
            elif not values[0] and name != TENANT and not getattr(fields.get(name), "allow_blank", False):
                errors[name] = ["Must not be empty; omit it instead."]
        if errors:
            raise ValidationError(errors, code="unknown")

    @property
    def arguments(self) -> dict[str, Any]:
        """The values of the fields that are not filters."""
        return {name: value for name, value in self.validated_data.items() if not self._is_filter(name)}

    def condition(self, *, unindexed: bool) -> Q:
        """Return the conditions of all given filters that an index serves, or of those that no index serves."""
        combined = Q()
        for name, value in self.validated_data.items():
            field: Any = self.fields[name]
            if self._is_filter(name) and field.is_unindexed(self.validated_data) is unindexed:
                combined &= field.condition(value)
        return combined

    def _is_filter(self, name: str) -> bool:
        return isinstance(self.fields[name], Filter)


class Filter:
    """Make a field a filter of a list.

    ``where``: the column that must equal the value, if its name is not the field's, or a function that returns the
    condition. ``unindexed``: no index serves the condition, so each page reads a limited number of rows (``pages``);
    or a function that decides this from all given parameters.
    """

    field_name: str | None

    def __init__(self, *args: Any, where: str | Condition = "", unindexed: Unindexed = False, **options: Any) -> None:
        super().__init__(*args, **{"required": False, **options})
        self.where = where
        self.unindexed = unindexed

    def condition(self, value: Any) -> Q:
        if callable(self.where):
            return self.where(value)
        return Q(**{self.where or str(self.field_name): value})

    def is_unindexed(self, given: Mapping[str, Any]) -> bool:
        return self.unindexed(given) if callable(self.unindexed) else self.unindexed


class TextFilter(Filter, serializers.CharField):
    """Filter by text."""


class RegexFilter(Filter, serializers.RegexField):
    """Filter by text of a certain form."""


class ChoiceFilter(Filter, serializers.ChoiceField):
    """Filter by one of a few values."""


class InstantFilter(Filter, InstantField):
    """Filter by a date and time."""


class IdFilter(Filter, IdField):
    """Filter by the id of another row."""


class ReferenceFilter(Filter, ReferenceField):
    """Filter by another row, given by its id or its uid."""


class BooleanFilter(Filter, serializers.BooleanField):
    """Filter by true or false, also as Python's clients write them; in JSON also as booleans."""

    default_error_messages = {"invalid": "Must be true or false."}
    VALUES: ClassVar[Mapping[Any, bool]] = {"true": True, "True": True, "false": False, "False": False}

    def to_internal_value(self, data: Any) -> bool:
        if isinstance(data, bool):
            return data
        if not isinstance(data, str) or data not in self.VALUES:
            self.fail("invalid", input=data)
        return self.VALUES[data]
