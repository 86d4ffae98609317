"""Limit the depth, size and characters of JSON values that are stored.

PostgreSQL cannot store NUL or unpaired surrogates, and JSON has no NaN or infinity.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from subscriptions.errors import Invalid


def check_json(field: str, value: Any, max_bytes: int, max_depth: int) -> None:
    """Raise Invalid for ``field`` unless the value can be stored as JSON and is within the limits."""
    check_depth(field, value, max_depth)
    try:
        size = len(json.dumps(value, allow_nan=False, ensure_ascii=False, default=str).encode())
    except ValueError:  # NaN, infinity, an unpaired surrogate
        raise Invalid(field, "Must not contain NaN, infinity or unpaired surrogates.") from None
    if size > max_bytes:
        raise Invalid(field, f"Must be at most {max_bytes} bytes as JSON.")
    if any("\0" in text for text in strings_in(value)):
        raise Invalid(field, "Must not contain NUL characters.")


def check_depth(field: str, value: Any, max_depth: int) -> None:
    """Raise Invalid for ``field`` if the value is nested deeper. Does not recurse, since clients send the value."""
    layer = [value]
    for _ in range(max_depth + 1):
        layer = [child for item in layer for child in _children(item)]
        if not layer:
            return
    raise Invalid(field, f"Must be nested at most {max_depth} levels deep.")


def strings_in(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value of limited depth, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (name for name in value if isinstance(name, str))
    for child in _children(value):
        yield from strings_in(child)


def _children(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else ()
