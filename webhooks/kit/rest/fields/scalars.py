"""Declare the fields of single values."""

from typing import Any

from rest_framework import serializers

from webhooks.kit.rows import has_control_characters

RANGE = {"min_value": "Must be at least {min_value}.", "max_value": "Must be at most {max_value}."}
"""Error messages for a number that is out of its range."""


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

    default_error_messages = {"invalid": "Must be an integer.", **RANGE}

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class NumberField(serializers.FloatField):
    """A number; a string is rejected."""

    default_error_messages = {"invalid": "Must be a number.", **RANGE}

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
