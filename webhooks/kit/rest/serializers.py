"""Declare strict serializers: they accept exactly the declared fields, in exactly the declared JSON types.

REST framework ignores unknown fields, so that a typo in an optional field goes unnoticed. Here it is an error that
names the field. Read-only fields are accepted in a change, so that a fetched resource can be sent back.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Any, ClassVar, cast

from django.contrib.postgres.fields import ArrayField
from django.db import models
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from webhooks.kit.rest.fields.json_values import MAX_ERRORS, ListField, StorableJsonField, json_type
from webhooks.kit.rest.fields.scalars import (
    BooleanField,
    ChoiceField,
    InstantField,
    IntegerField,
    MultilineTextField,
    TextField,
)
from webhooks.wire.errors import did_you_mean


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
        unknown = (name for name in data if not self._is_accepted(name))
        errors: dict[str, Any] = {
            name: [ErrorDetail(self._objection(name), "unknown")] for name in islice(unknown, MAX_ERRORS)
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
