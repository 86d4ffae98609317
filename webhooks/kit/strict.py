"""A serializer takes the fields it says, in the types it says, and nothing else.

REST framework passes over a field it does not know, so that a misspelt one goes unnoticed until somebody misses its
effect, and reads 5 as "5" and "yes" as true. Here each of these is an error that names the field. Fields that only we
set may come back in a change, so that what was read can be sent back.
"""

from collections.abc import Mapping
from typing import Any
from unicodedata import category

from django.db import models
from rest_framework import serializers

__all__ = ["Flag", "Line", "Strict", "StrictModel", "TextField", "Whole"]

HIDDEN = {"Cc", "Cs"}  # control characters and halves of characters: nobody sees them, and not all can be stored


class TextField(serializers.CharField):
    """A string as it is given, and not a number that could be one. NUL is refused: it cannot be stored."""

    default_error_messages = {"invalid": "Give text."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Line(TextField):
    """The same on one line: without control characters."""

    default_error_messages = {"hidden": "Holds a control character, or half of a character."}

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, str) and any(category(character) in HIDDEN for character in data):
            self.fail("hidden")
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A whole number, not text that could be one."""

    default_error_messages = {"invalid": "Give a whole number."}

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """true or false, and none of the words for them."""

    default_error_messages = {"invalid": "Give true or false."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Strict(serializers.Serializer[Any]):
    """Refuses fields it does not know. ``along`` are names that somebody else reads."""

    along: frozenset[str] = frozenset()

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            errors = {name: [self._says(name)] for name in data if not self._takes(name)}
            if errors:
                raise serializers.ValidationError(errors, code="unknown")
        return super().to_internal_value(data)

    def _takes(self, name: str) -> bool:
        field = self.fields.get(name)
        return name in self.along or (field is not None and (not field.read_only or self.instance is not None))

    def _says(self, name: str) -> str:
        return "Set by Waypost, not by you." if name in self.fields else "There is no such field."


class StrictModel(Strict, serializers.ModelSerializer[Any]):
    """The same over the fields of a model."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: Line,
        models.TextField: TextField,
        models.BooleanField: Flag,
        models.IntegerField: Whole,
        models.BigIntegerField: Whole,
        models.PositiveBigIntegerField: Whole,
        models.PositiveIntegerField: Whole,
        models.PositiveSmallIntegerField: Whole,
    }
