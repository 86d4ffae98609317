"""Declare the fields of arrays, objects and any JSON, and name the JSON type of a value."""

from collections.abc import Mapping
from typing import Any

import orjson
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from webhooks.wire.json_numbers import JsonNumber, has_large_float, plain


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

    default_error_messages = {"storable": "Must not contain NUL, unpaired surrogates or numbers beyond 64 bits."}

    def to_internal_value(self, data: Any) -> Any:
        if not is_storable(data):
            self.fail("storable")
        return super().to_internal_value(plain(data))


def is_storable(value: Any) -> bool:
    """Return whether a jsonb column can store a value of JSON."""
    try:
        written = plain(value)
        return b"\\u0000" not in orjson.dumps(written) and not has_large_float(written)
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
