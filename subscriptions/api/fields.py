"""A serializer takes exactly what it says: no other field, no other type, nothing guessed.

REST framework is generous: it reads "5" as 5, 1 as "1", and passes over a field it does not know, so that a
typo in an optional field goes unnoticed until somebody misses its effect. Here each of these is an error that
names the field. Fields that only we set may come back in PUT and PATCH, so that what was read can be sent back.
"""

from collections.abc import Mapping
from typing import Any, NoReturn, cast

from django.contrib.postgres.fields import ArrayField
from django.db import models
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from subscriptions import validation
from subscriptions.api.tenancy import find
from subscriptions.errors import Invalid

__all__ = [
    "Choice",
    "Flag",
    "Fraction",
    "Instant",
    "Json",
    "PublicId",
    "Ref",
    "Strict",
    "StrictModel",
    "Text",
    "Whole",
    "refuse",
]


def refuse(check: Any, *given: Any) -> None:
    """Run a check of the rules; what it refuses is an error of the field in whose validation this stands."""
    try:
        check(*given)
    except Invalid as error:
        # The code of an error that begins with a slash is a place within the field: see config.api.errors.
        raise ValidationError(error.message, code=error.place or None) from None


class Text(serializers.CharField):
    """A string, not a number that could be one, and without control characters."""

    default_error_messages = {"invalid": "Give text."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        refuse(validation.check_text, self.field_name, data)
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A whole number, not text that could be one."""

    default_error_messages = {"invalid": "Give a whole number."}

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class Fraction(serializers.FloatField):
    """A number, not text that could be one."""

    default_error_messages = {"invalid": "Give a number."}

    def to_internal_value(self, data: Any) -> float:
        if not isinstance(data, (int, float)) or isinstance(data, bool):
            self.fail("invalid")
        try:
            return super().to_internal_value(data)
        except OverflowError:  # an integer beyond what a double holds
            self.fail("invalid")


class Flag(serializers.BooleanField):
    """true or false, and none of the words for them."""

    default_error_messages = {"invalid": "Give true or false."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Choice(serializers.ChoiceField):
    """One of a few words."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=type(data).__name__)
        return super().to_internal_value(data)


class Instant(serializers.DateTimeField):
    """A date and time in ISO 8601; without an offset it is in UTC."""

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str):
            self.fail("invalid", format="2026-01-31T12:00:00Z")
        try:
            return super().to_internal_value(value)
        except OverflowError:  # a year that the offset pushes out of the calendar
            self.fail("overflow")


class Json(serializers.JSONField):
    """Any JSON; the rules of the field say what it may be."""


class PublicId(serializers.CharField):
    """The id of the row, as the outside knows it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, source="public_id", **options)


@extend_schema_field(OpenApiTypes.STR)
class Ref(serializers.Field[Any, str, str, Any]):
    """Another row of the same tenant, by its id or its uid; goes out as its id.

    `rows_of(serializer)` gives the rows that may be named. What is not among them does not exist.
    """

    default_error_messages = {"invalid": "Give an id or a uid, as text.", "unknown": "There is none with this id."}

    def __init__(self, rows_of: Any, **options: Any) -> None:
        self.rows_of = rows_of
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        found = find(self.rows_of(self.parent), data)
        return found if found is not None else self.fail("unknown")

    def to_representation(self, value: Any) -> str:
        return str(value.public_id)


class Strict(serializers.Serializer[Any]):
    """Refuses fields it does not know. `hints` says more about some of them."""

    hints: dict[str, str] = {}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            self._refuse_unknown(data)
        return super().to_internal_value(data)

    def _refuse_unknown(self, data: Mapping[str, Any]) -> None:
        errors = {name: [self._says(name)] for name in data if not self._takes(name)}
        if errors:
            raise ValidationError(errors, code="unknown")

    def _takes(self, name: str) -> bool:
        field = self.fields.get(name)
        return field is not None and (not field.read_only or self.instance is not None)

    def _says(self, name: str) -> str:
        known = "Set by Waypost, not by you." if name in self.fields else "There is no such field."
        return self.hints.get(name, known)


class StrictModel(Strict, serializers.ModelSerializer[Any]):
    """The same over the fields of a model. PUT replaces: what it leaves out goes back to the model's default,
    but for the fields named in `stays`."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: Text,
        models.BooleanField: Flag,
        models.PositiveBigIntegerField: Whole,
        models.PositiveIntegerField: Whole,
        models.PositiveSmallIntegerField: Whole,
        models.DateTimeField: Instant,
        models.JSONField: Json,
        ArrayField: serializers.ListField,
    }
    serializer_choice_field = Choice
    stays: frozenset[str] = frozenset()

    def to_internal_value(self, data: Any) -> Any:
        values = super().to_internal_value(data)
        if self.instance is not None and not self.partial:
            model: type[models.Model] = self.Meta.model
            for name, field in self.fields.items():
                if not field.read_only and field.source == name and name not in values and name not in self.stays:
                    column = cast("models.Field[Any, Any]", model._meta.get_field(name))
                    values[name] = column.get_default()
        return values

    def create(self, validated_data: Any) -> NoReturn:
        raise NotImplementedError("a verb writes, not a serializer")

    def update(self, instance: Any, validated_data: Any) -> NoReturn:
        raise NotImplementedError("a verb writes, not a serializer")
