"""Read the query parameters of a request; reject unknown, repeated and empty ones.

If a misspelt filter were ignored, the response would contain all rows, and the caller would not notice. So each view
that reads parameters declares them as a ``QueryParams`` serializer in ``query_params``. The OpenAPI description is
generated from the same fields.

A filter of a list is one field with a condition: ``state = ChoiceFilter(Endpoint.State.choices)``.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Self

from django.db.models import Q
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request

from webhooks.kit.rest.errors import InvalidParameters
from webhooks.kit.rest.fields.references import IdField, ReferenceField
from webhooks.kit.rest.fields.scalars import InstantField
from webhooks.kit.rest.serializers import StrictSerializer
from webhooks.wire.errors import did_you_mean

TENANT = "tenant"  # every request accepts this parameter; TenantScope reads and checks it
Condition = Callable[[Any], Q]
Unindexed = bool | Callable[[Mapping[str, Any]], bool]


class QueryParams(StrictSerializer):
    """Declare the query parameters of one view, each as a field.

    A ``Filter`` field becomes a condition of the view's query; the other fields are arguments of the view.
    ``read_elsewhere`` names the parameters that are accepted but read by other code, such as the tenant.
    """

    read_elsewhere: ClassVar[frozenset[str]] = frozenset({TENANT})

    @classmethod
    def read(cls, request: Request, *, known: Collection[str] = (), context: Mapping[str, Any] | None = None) -> Self:
        """Validate the parameters of a request; ``known`` names further ones that other code reads, as the pagination.

        Raises ValidationError.
        """
        elsewhere = cls.read_elsewhere | set(known)
        errors = cls._wrong_names(request, elsewhere)
        own = {name: value for name, value in request.query_params.items() if name not in {*elsewhere, *errors}}
        params = cls(data=own, context=dict(context or {}))
        if not params.is_valid() or errors:
            raise InvalidParameters({**errors, **params.errors})
        return params

    @classmethod
    def _wrong_names(cls, request: Request, elsewhere: Collection[str]) -> dict[str, list[str]]:
        """Return a message for each parameter that is unknown, repeated or empty."""
        fields = cls().fields
        names = {*fields, *elsewhere}
        errors: dict[str, list[str]] = {}
        for name, values in request.query_params.lists():
            if name not in names:
                meant = did_you_mean(name, names)
                known = f"Known parameters: {', '.join(sorted(names))}."
                errors[name] = [ErrorDetail(f"Unknown parameter{f'; {meant}' if meant else '.'} {known}", "unknown")]
            elif len(values) > 1 and name != TENANT:
                errors[name] = [ErrorDetail("Must be given once.", "ambiguous")]
            elif not values[0] and name != TENANT and not getattr(fields.get(name), "allow_blank", False):
                errors[name] = [ErrorDetail("Must not be empty; omit it instead.", "blank")]
        return errors

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the values of the fields that are not filters."""
        return {name: value for name, value in self.validated_data.items() if not self._is_filter(name)}

    def condition(self, *, unindexed: bool) -> Q:
        """Combine the conditions of the given filters: those that an index serves, or, if ``unindexed``, the others."""
        combined = Q()
        for name, value in self.validated_data.items():
            field: Any = self.fields[name]
            if self._is_filter(name) and field.is_unindexed(self.validated_data) is unindexed:
                combined &= field.condition(value)
        return combined

    def _is_filter(self, name: str) -> bool:
        return isinstance(self.fields[name], Filter)


class Filter:
    """Turn a serializer field into a filter of a list.

    ``where``: the column that must equal the value, by default the one with the name of the field; or a function from
    the value to a condition. ``unindexed``: whether no index serves the condition, in which case each page reads a
    limited number of rows (``pages``); or a function that decides this from all parameters of the request.
    """

    field_name: str | None

    def __init__(self, *args: Any, where: str | Condition = "", unindexed: Unindexed = False, **options: Any) -> None:
        super().__init__(*args, **{"required": False, **options})
        self.where = where
        self.unindexed = unindexed

    def condition(self, value: Any) -> Q:
        """Return the condition for a value of the parameter."""
        if callable(self.where):
            return self.where(value)
        return Q(**{self.where or str(self.field_name): value})

    def is_unindexed(self, given: Mapping[str, Any]) -> bool:
        """Return whether no index serves the condition, together with the other parameters of the request."""
        return self.unindexed(given) if callable(self.unindexed) else self.unindexed


class TextFilter(Filter, serializers.CharField):
    """Filter by text."""


class NameFilter(TextFilter):
    """Filter by the name of something of which ``names`` returns all, such as a kind that is installed or not."""

    default_error_messages = {"invalid_choice": "Must be one of: {choices}."}

    def __init__(self, names: Callable[[], Collection[str]], **options: Any) -> None:
        super().__init__(**options)
        self.names = names

    def to_internal_value(self, data: Any) -> str:
        name: str = super().to_internal_value(data)
        if name not in (names := self.names()):
            self.fail("invalid_choice", choices=", ".join(names))
        return name


class RegexFilter(Filter, serializers.RegexField):
    """Filter by text that must match a regular expression."""


class ChoiceFilter(Filter, serializers.ChoiceField):
    """Filter by one of a few values."""

    default_error_messages = {"invalid_choice": "Must be one of: {choices}."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", choices=", ".join(map(str, self.choices)))
        return data


class InstantFilter(Filter, InstantField):
    """Filter by a date and time."""


class IdFilter(Filter, IdField):
    """Filter by the id of another row."""


class ReferenceFilter(Filter, ReferenceField):
    """Filter by another row of the tenant that the request names, given by its id or its uid."""

    def is_of_all_tenants(self) -> bool:
        """Return whether the request names no tenant."""
        return self.context["view"].tenant_id() is None


class IntegerParam(serializers.IntegerField):
    """A parameter that is an integer, as text in a query."""

    default_error_messages = {"invalid": "Must be an integer."}


class BooleanFilter(Filter, serializers.BooleanField):
    """Filter by ``true`` or ``false``, also capitalized as Python writes them; a JSON body may have a boolean."""

    default_error_messages = {"invalid": "Must be true or false."}
    VALUES: ClassVar[Mapping[Any, bool]] = {"true": True, "True": True, "false": False, "False": False}

    def to_internal_value(self, data: Any) -> bool:
        if isinstance(data, bool):
            return data
        if not isinstance(data, str) or data not in self.VALUES:
            self.fail("invalid", input=data)
        return self.VALUES[data]
