"""What may stand in the fields of the management side: pure checks, the same for REST, forms and commands.

Whatever is stored is later sent, compiled or shown to somebody else. So text holds no control characters, and
JSON has bounds on its depth and size: NUL and half a surrogate pair cannot even be stored.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from unicodedata import category

from django.core.exceptions import ValidationError

from subscriptions.errors import Invalid
from subscriptions.routing.compiled_patterns import compile_pattern, compile_transformer
from webhooks.kit.rows import uid_format
from webhooks.wire.custom_headers import ForbiddenHeader
from webhooks.wire.custom_headers import check as check_header_set
from webhooks.wire.ids import parse
from webhooks.wire.patterns import InvalidPattern
from webhooks.wire.transform import InvalidTransformer

__all__ = [
    "check_depth",
    "check_event_type",
    "check_event_types",
    "check_headers",
    "check_json",
    "check_metadata",
    "check_name",
    "check_pattern",
    "check_text",
    "check_transformer",
    "check_uid",
    "is_uid",
]

MAX_NAME = 256  # characters
MAX_EVENT_TYPE = 256  # characters
MAX_EVENT_TYPES = 100  # of one subscription
MAX_METADATA = 8 * 1024  # bytes as JSON
MAX_METADATA_DEPTH = 4
MAX_PATTERN = 16 * 1024  # bytes as JSON; compiling has a budget of its own
MAX_TRANSFORMER = 64 * 1024  # bytes as JSON
MAX_DEPTH = 32  # of a pattern

_EVENT_TYPE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_EVENT_TYPES = re.compile(rf"\*|{_EVENT_TYPE.pattern}(?:\.\*)?")


def check_text(field: str, text: str) -> None:
    """Raise Refused for a character that is not to be seen: control characters, NUL, half a surrogate pair."""
    if any(category(character) in {"Cc", "Cs"} for character in text):
        raise Invalid(field, "Holds a control character, or half of a character.")


def check_name(name: str) -> None:
    """Raise Refused unless this can be the name of a tenant or a key."""
    if not name.strip() or len(name) > MAX_NAME:
        raise Invalid("name", f"Give 1 to {MAX_NAME} characters.")
    check_text("name", name)


def check_uid(prefix: str, uid: str | None) -> None:
    """Raise Refused for a uid of another form, or one that is an id of ours: it could be taken for that row's."""
    if uid is None:
        return
    if not is_uid(uid):
        raise Invalid("uid", str(uid_format.message))
    if _is_id(prefix, uid):
        raise Invalid("uid", f"Looks like an id of ours ({prefix}_...), which it is not.")


def is_uid(text: str) -> bool:
    """Whether this has the form of a uid."""
    try:
        uid_format(text)
    except ValidationError:
        return False
    return True


def check_event_types(event_types: Sequence[str]) -> None:
    """Raise Refused unless these are exact names, `order.*` (everything below order), or `*`."""
    if not 1 <= len(event_types) <= MAX_EVENT_TYPES:
        raise Invalid("event_types", f"Give 1 to {MAX_EVENT_TYPES} event types; * is all of them.")
    for name in event_types:
        if len(name) > MAX_EVENT_TYPE or not _EVENT_TYPES.fullmatch(name):
            raise Invalid(
                "event_types",
                f"An event type is up to {MAX_EVENT_TYPE} letters, digits, hyphens and underscores, in parts "
                "divided by full stops; order.* is everything below order, * is everything.",
            )


def check_event_type(field: str, name: str) -> None:
    """Raise Refused unless this is the exact name of an event type."""
    if len(name) > MAX_EVENT_TYPE or not _EVENT_TYPE.fullmatch(name):
        raise Invalid(
            field, f"Up to {MAX_EVENT_TYPE} letters, digits, hyphens and underscores, in parts divided by full stops."
        )


def check_headers(headers: Any) -> None:
    """Raise Refused unless this is an object of header names and values that a tenant may set."""
    if not isinstance(headers, Mapping) or not all(isinstance(value, str) for value in headers.values()):
        raise Invalid("headers", "Give an object of names and values, both text.")
    try:
        check_header_set(headers)
    except ForbiddenHeader as error:
        raise Invalid("headers", str(error).encode("utf-8", "replace").decode()) from None


def check_metadata(metadata: Any) -> None:
    """Raise Refused unless this is a small object of plain values."""
    if not isinstance(metadata, Mapping):
        raise Invalid("metadata", "Give an object.")
    check_json("metadata", metadata, MAX_METADATA, MAX_METADATA_DEPTH)
    for text in _texts(metadata):
        check_text("metadata", text)


def check_pattern(pattern: Any) -> None:
    """Raise Refused unless this is a valid event pattern."""
    if not isinstance(pattern, Mapping):
        raise Invalid("pattern", "Give an object.")
    check_json("pattern", pattern, MAX_PATTERN, MAX_DEPTH)
    try:
        compile_pattern(pattern)
    except InvalidPattern as error:
        raise Invalid("pattern", _shown(error), _shown(error.path)) from None


def check_transformer(transformer: Any) -> None:
    """Raise Refused unless this is ``{"input_paths": {name: path}, "template": text}`` and compiles."""
    if not isinstance(transformer, Mapping) or not {"template"} <= set(transformer) <= {"input_paths", "template"}:
        raise Invalid("transformer", 'Give {"input_paths": {...}, "template": "..."}.')
    check_json("transformer", transformer, MAX_TRANSFORMER, 2)
    paths, template = transformer.get("input_paths", {}), transformer["template"]
    if not isinstance(paths, Mapping) or not all(isinstance(text, str) for text in (template, *paths.values())):
        raise Invalid("transformer", "The template and every input path are text.")
    try:
        compile_transformer(transformer)
    except InvalidTransformer as error:
        raise Invalid("transformer", _shown(error), _shown(error.path)) from None


def _shown(text: object) -> str:
    """Without halves of characters, which an answer cannot carry."""
    return str(text).encode("utf-8", "replace").decode()


def _is_id(prefix: str, text: str) -> bool:
    try:
        parse(prefix, text)
    except ValueError:
        return False
    return True


def check_json(field: str, value: Any, max_bytes: int, max_depth: int) -> None:
    """Raise Refused unless PostgreSQL can keep it, and it is neither deep nor large."""
    check_depth(field, value, max_depth)
    try:
        size = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
    except ValueError:  # NaN, infinity, half a surrogate pair
        raise Invalid(field, "Holds what JSON cannot carry: NaN, infinity, or half of a character.") from None
    if size > max_bytes:
        raise Invalid(field, f"Is larger than {max_bytes} bytes.")
    if any("\0" in text for text in _texts(value)):
        raise Invalid(field, "Holds a NUL character.")


def check_depth(field: str, value: Any, levels: int) -> None:
    """Raise Refused if this is nested deeper. Without recursion: what it looks at was sent by somebody."""
    layer = [value]
    for _ in range(levels + 1):
        layer = [child for item in layer for child in _children(item)]
        if not layer:
            return
    raise Invalid(field, f"Is nested more than {levels} levels deep.")


def _children(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else ()


def _texts(value: Any) -> Iterator[str]:
    """Every string in a shallow JSON value, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (name for name in value if isinstance(name, str))
    for child in _children(value):
        yield from _texts(child)
