"""Declare strict serializers and fields: exactly the declared fields, in exactly the declared JSON types.

REST framework reads ``"5"`` as 5 and ``1`` as ``"1"``, and ignores unknown fields, so that a typo in an optional field
goes unnoticed. Here each of these is an error that names the field. Read-only fields are accepted in a change, so that
a fetched resource can be sent back.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast
from uuid import UUID

import orjson
from django.contrib.postgres.fields import ArrayField
from django.db import models
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from webhooks.kit.rest.lookup import find
from webhooks.kit.rows import has_control_characters
from webhooks.wire.errors import did_you_mean
from webhooks.wire.ids import parse, public
from webhooks.wire.json_numbers import JsonNumber, plain


def json_type(value: Any) -> str:
    """Return the JSON type of a parsed value with its article, for error messages."""
    if isinstance(value, bool):
        return "a boolean"
    names = {
        str: "a string",
        int: "a number",
        float: "a number",
        JsonNumber: "a number",
        list: "an array",
        type(None): "null",
    }
    return names.get(type(value), "an object")


class MultilineTextField(serializers.CharField):
    """A string; a number is rejected. May contain control characters except NUL, which cannot be stored."""

    default_error_messages = {"invalid": "Must be a string."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class TextField(MultilineTextField):
    """A string without control characters."""

    default_error_messages = {"control": "Must not contain control characters or unpaired surrogates."}

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, str) and has_control_characters(data):
            self.fail("control")
        return super().to_internal_value(data)


class IntegerField(serializers.IntegerField):
    """An integer; a string of digits is rejected."""

    default_error_messages = {"invalid": "Must be an integer."}

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class NumberField(serializers.FloatField):
    """A number; a string is rejected."""

    default_error_messages = {"invalid": "Must be a number."}

    def to_internal_value(self, data: Any) -> float:
        if not isinstance(data, (int, float)) or isinstance(data, bool):
            self.fail("invalid")
        try:
            return super().to_internal_value(data)
        except OverflowError:  # an integer beyond the range of a double
            self.fail("invalid")


class BooleanField(serializers.BooleanField):
    """true or false; ``"true"`` and 1 are rejected."""

    default_error_messages = {"invalid": "Must be true or false."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class ChoiceField(serializers.ChoiceField):
    """One of a few values, in the type that they have; null in place of the empty text of a column that may be empty.

    An empty text among the choices would be a value without a name in generated clients.
    """

    default_error_messages = {"invalid_choice": "Must be one of: {choices}."}

    def __init__(self, choices: Any, **options: Any) -> None:
        self._may_be_empty = bool(options.pop("allow_blank", False))
        if self._may_be_empty:
            options["allow_null"] = True
        super().__init__([it for it in serializers.ChoiceField(choices).choices.items() if it[0] != ""], **options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        value = super().run_validation(data)
        return "" if value is None and self._may_be_empty else value

    def to_representation(self, value: Any) -> Any:
        return None if value == "" else super().to_representation(value)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, (str, int)) or isinstance(data, bool) or data not in self.choices:
            self.fail("invalid_choice", choices=", ".join(map(str, self.choices)))
        return data


class OptionalUrlField(serializers.URLField):
    """A URL; null in place of the empty text of the column."""

    default_error_messages = {"invalid": "Must be a URL."}

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, allow_null=True, max_length=2048, **options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if data is not None and data is not serializers.empty and not isinstance(data, str):
            self.fail("invalid")
        value = super().run_validation(data)
        return "" if value is None else value

    def to_representation(self, value: str) -> Any:
        return value or None


class InstantField(serializers.DateTimeField):
    """A date and time in ISO 8601; UTC unless it has an offset."""

    default_error_messages = {"invalid": "Must be a date and time such as 2030-01-31T12:00:00Z."}

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str):
            self.fail("invalid")
        try:
            return super().to_internal_value(value)
        except OverflowError:  # the offset moves the year out of the calendar
            self.fail("overflow")


class ListField(serializers.ListField):
    """A JSON array."""

    default_error_messages = {"not_a_list": "Expected an array, got {found}."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, list):
            self.fail("not_a_list", found=json_type(data))
        return super().to_internal_value(data)


class JsonField(serializers.JSONField):
    """Any JSON value, as it was parsed."""

    def to_internal_value(self, data: Any) -> Any:
        return data


class StorableJsonField(JsonField):
    """Any JSON value that a jsonb column can store: no NUL, no unpaired surrogate, no number beyond 64 bits."""

    default_error_messages = {"storable": "Must not contain NUL, unpaired surrogates or integers beyond 64 bits."}

    def to_internal_value(self, data: Any) -> Any:
        if not is_storable(data):
            self.fail("storable")
        return super().to_internal_value(plain(data))


def is_storable(value: Any) -> bool:
    """Return whether a jsonb column can store a value of JSON."""
    try:
        return b"\\u0000" not in orjson.dumps(plain(value))
    except (TypeError, ValueError):
        return False


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(StorableJsonField):
    """A JSON object, which can be stored unless ``is_stored`` is False: then its content is checked elsewhere.

    Members that cannot be stored are named, with escapes in place of what their names must not contain.
    """

    default_error_messages = {"object": "Expected an object, got {found}."}

    def __init__(self, *, is_stored: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.is_stored = is_stored

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if self.is_stored and isinstance(data, Mapping):
            names = [str(name) for name, value in data.items() if not is_storable({name: value})]
            if names:
                message = [serializers.ErrorDetail(str(self.error_messages["storable"]), "storable")]
                raise serializers.ValidationError({escaped(name): message for name in names})
        value = super().to_internal_value(data) if self.is_stored else JsonField.to_internal_value(self, data)
        if not isinstance(value, dict):
            self.fail("object", found=json_type(value))
        return value


def escaped(name: str) -> str:
    """Return a name with escapes in place of NUL and unpaired surrogates."""
    return name.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode()


@extend_schema_field(OpenApiTypes.STR)
class IdField(serializers.Field[UUID, str, str, Any]):
    """The key of a row as a TypeID: the ``id`` of a resource, or the id of another row by ``source="..._id"``."""

    default_error_messages = {"invalid": "Must be an id that begins with {prefix}_."}

    def __init__(self, prefix: str, **options: Any) -> None:
        super().__init__(**{"help_text": f"Id, beginning with `{prefix}_`.", **options})
        self.prefix = prefix

    def to_representation(self, value: UUID) -> str:
        return public(self.prefix, value)

    def to_internal_value(self, data: Any) -> UUID:
        try:
            return parse(self.prefix, data)
        except (ValueError, TypeError, AttributeError):
            self.fail("invalid", prefix=self.prefix)


@extend_schema_field(OpenApiTypes.STR)
class ReferenceField(serializers.Field[Any, str, str, Any]):
    """Another row, given by its id or its uid and shown by its id.

    ``rows_of(serializer)`` returns the rows that may be named; any other is reported as unknown.
    """

    default_error_messages = {"invalid": "Must be a string: an id or a uid.", "unknown": "No {name} with this id."}

    def __init__(self, rows_of: Callable[[Any], "models.QuerySet[Any]"], **options: Any) -> None:
        super().__init__(**options)
        self.rows_of = rows_of

    def is_of_all_tenants(self) -> bool:
        """Return whether the rows are those of all tenants; by default they are those of one."""
        return False

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        rows = self.rows_of(self.parent)
        found = find(rows, data, of_all_tenants=self.is_of_all_tenants())
        return found if found is not None else self.fail("unknown", name=rows.model._meta.verbose_name)

    def to_representation(self, value: Any) -> str:
        return str(value.public_id)


class StrictSerializer(serializers.Serializer[Any]):
    """Reject unknown fields, together with all other faults of the body.

    ``hints`` are messages for unknown or read-only fields, by name.
    """

    hints: ClassVar[dict[str, str]] = {}
    default_error_messages = {"invalid": "Expected an object, got {datatype}."}

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        """Report null in place of a body as any other value that is no object."""
        is_body = self.parent is None and not self.allow_null
        return (False, data) if data is None and is_body else super().validate_empty_values(data)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            message = self.error_messages["invalid"].format(datatype=json_type(data))
            raise ValidationError({"non_field_errors": [message]}, code="invalid")
        errors: dict[str, Any] = {
            name: [ErrorDetail(self._objection(name), "unknown")] for name in data if not self._is_accepted(name)
        }
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            raise ValidationError({**cast("dict[str, Any]", error.detail), **errors}) from None
        if errors:
            raise ValidationError(errors)
        return values

    def _is_accepted(self, name: str) -> bool:
        field = self.fields.get(name)
        return field is not None and (not field.read_only or self.instance is not None)

    def _objection(self, name: str) -> str:
        if name in self.hints:
            return self.hints[name]
        if name in self.fields:
            return "Read-only field."
        meant = did_you_mean(str(name), [known for known, field in self.fields.items() if not field.read_only])
        return f"Unknown field{f'; {meant}' if meant else '.'}"


class StrictModelSerializer(StrictSerializer, serializers.ModelSerializer[Any]):
    """Reject unknown fields, with fields from a model.

    PUT replaces: a field that it omits is set to the model's default, except the fields named in ``kept_by_put``.
    """

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: TextField,
        models.TextField: MultilineTextField,
        models.BooleanField: BooleanField,
        models.IntegerField: IntegerField,
        models.BigIntegerField: IntegerField,
        models.PositiveBigIntegerField: IntegerField,
        models.PositiveIntegerField: IntegerField,
        models.PositiveSmallIntegerField: IntegerField,
        models.DateTimeField: InstantField,
        models.JSONField: StorableJsonField,
        ArrayField: ListField,
    }
    serializer_choice_field = ChoiceField
    kept_by_put: ClassVar[frozenset[str]] = frozenset()

    def to_internal_value(self, data: Any) -> Any:
        values = super().to_internal_value(data)
        return values if self.instance is None or self.partial else self.with_defaults(values)

    def with_defaults(self, values: dict[str, Any]) -> dict[str, Any]:
        """Add the model's defaults for the fields that a PUT omits."""
        model: type[models.Model] = self.Meta.model
        for name, field in self.fields.items():
            if not field.read_only and field.source == name and not {name} & {*values, *self.kept_by_put}:
                column = cast("models.Field[Any, Any]", model._meta.get_field(name))
                values[name] = column.get_default()
        return values
