"""Arrange the fields of a form as a document, so that pointers and patterns read forms as they read JSON."""

from collections.abc import Iterable
from typing import Any

from webhooks.wire.bodies.json_document import parse_leniently
from webhooks.wire.errors import UnreadableBody

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


def is_form(content_type: str) -> bool:
    """Return whether a body of this content type is a form."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in (URLENCODED, MULTIPART)


def is_multipart(content_type: str) -> bool:
    """Return whether a body of this content type is a form in parts."""
    return content_type.partition(";")[0].strip().lower() == MULTIPART


def form_document(fields: Iterable[tuple[str, list[str]]]) -> dict[str, Any]:
    """Return an object with a member for each field: its text, or a list if the field is repeated.

    Text that is a JSON object or list is parsed, as GitHub and Slack send all their data in one field ``payload``.
    """
    return {name: _value(values[0]) if len(values) == 1 else [*map(_value, values)] for name, values in fields}


def _value(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return parse_leniently(text.encode("utf-8", "replace"))
    except UnreadableBody:
        return text
