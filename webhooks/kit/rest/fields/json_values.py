"""Declare the fields of arrays, objects and any JSON, and name the JSON type of a value."""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import orjson
from django.core.exceptions import ValidationError as DjangoValidationError
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import get_error_detail

from webhooks.wire.json_numbers import JsonNumber, has_large_float, plain

MAX_ERRORS = 50  # of one value: further ones are not looked for
MAX_ITEMS = 10_000  # of an array whose field has no limit of its own
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # in JSON text; behind an escaped backslash it is text


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


class ListField(serializers.ListField):
    """A JSON array. One that is too long is refused before its items are looked at."""

    default_error_messages = {
        "not_a_list": "Expected an array, got {found}.",
        "too_long": "Must have at most {most} items.",
    }

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, list):
            self.fail("not_a_list", found=json_type(data))
        if len(data) > MAX_ITEMS:
            self.fail("too_long", most=MAX_ITEMS)
        if self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)

    def run_child_validation(self, data: Any) -> list[Any]:
        """Return the valid items. Raises ValidationError with the errors of the first wrong ones."""
        valid: list[Any] = []
        errors: dict[Any, Any] = {}  # by index
        for index, item in enumerate(data):
            try:
                valid.append(self.child.run_validation(item))
            except serializers.ValidationError as error:
                errors[index] = error.detail
            except DjangoValidationError as error:
                errors[index] = get_error_detail(error)
            if len(errors) == MAX_ERRORS:
                break
        if errors:
            raise serializers.ValidationError(errors)
        return valid


class JsonField(serializers.JSONField):
    """Any JSON value, as it was parsed."""

    def to_internal_value(self, data: Any) -> Any:
        return data


class StorableJsonField(JsonField):
    """Any JSON value that a jsonb column can store: no NUL, no unpaired surrogate, no number beyond 64 bits."""

    default_error_messages = {"storable": "Must not contain NUL, unpaired surrogates or numbers beyond 64 bits."}

    def to_internal_value(self, data: Any) -> Any:
        if not is_storable(data):
            self.fail("storable")
        return super().to_internal_value(plain(data))


def is_storable(value: Any) -> bool:
    """Return whether a jsonb column can store a value of JSON."""
    try:
        written = plain(value)
        return _NUL.search(orjson.dumps(written)) is None and not has_large_float(written)
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
            names = (str(name) for name, value in data.items() if not is_storable({name: value}))
            message = [serializers.ErrorDetail(str(self.error_messages["storable"]), "storable")]
            errors = {escaped(name): message for name in islice(names, MAX_ERRORS)}
            if errors:
                raise serializers.ValidationError(errors)
        value = super().to_internal_value(data) if self.is_stored else JsonField.to_internal_value(self, data)
        if not isinstance(value, dict):
            self.fail("object", found=json_type(value))
        return value


def without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of an object that are not null, where null is to leave a member out."""
    return {name: inner for name, inner in value.items() if inner is not None}


def escaped(name: str) -> str:
    """Return a name with escapes in place of NUL and unpaired surrogates."""
    return name.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode()
