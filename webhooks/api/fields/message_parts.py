"""Define the fields that name parts of a message: paths to its values, and its media types."""

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from webhooks.wire import media_types

VALUE_PATH = re.compile(r"header:[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}|body:(/[^\0]*)?", re.DOTALL)


class ValuePathField(serializers.CharField):
    """A path into a message: ``header:Name``, ``body:/json/pointer`` (RFC 6901), or empty."""

    default_error_messages = {"path": "Must be header:Name or body:/json/pointer."}

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, allow_blank=True, max_length=256, **options)

    def to_internal_value(self, data: Any) -> str:
        path = super().to_internal_value(data)
        if path and not VALUE_PATH.fullmatch(path):
            self.fail("path")
        return path


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class MediaTypesField(serializers.Field[list[str], Any, Any, Any]):
    """Media types, stored in lower case."""

    default_error_messages = {"list": "Must be at most {most} media types such as application/json or text/*."}

    def to_representation(self, value: list[str]) -> list[str]:
        return value

    def to_internal_value(self, data: Any) -> list[str]:
        if (
            not isinstance(data, list)
            or len(data) > media_types.MAX_MEDIA_TYPES
            or not all(isinstance(item, str) for item in data)
        ):
            self.fail("list", most=media_types.MAX_MEDIA_TYPES)
        types = list(dict.fromkeys(item.strip().lower() for item in data))
        if not all(media_types.RANGE.fullmatch(item) for item in types):
            self.fail("list", most=media_types.MAX_MEDIA_TYPES)
        return types
