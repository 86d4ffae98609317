"""Declare the fields that name rows by their id or uid."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import models
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from webhooks.kit.rest.lookup import find
from webhooks.wire.ids import parse, public


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
