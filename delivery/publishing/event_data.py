"""Write the data of an event that a Python program publishes: as Django writes JSON, or an error that names the member.

Plain values are written by orjson. Decimal, date, time, datetime, timedelta, UUID, lazy text and integers of any length
are written as ``DjangoJSONEncoder`` writes them. NaN and Infinity, which orjson would write as null, and Django as text
if they are Decimals, are refused.
"""

import json
import math
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NoReturn

import orjson
from django.core.serializers.json import DjangoJSONEncoder

from webhooks.wire.errors import InvalidEvent

_PLAIN = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
_MAX_SHOWN = 200  # characters of the path of a member
_MAX_DEPTH = 128  # levels of nesting in which a wrong member is searched for


class _Encoder(DjangoJSONEncoder):
    """Django's encoder, without NaN and infinity. Raises ValueError."""

    def default(self, o: Any) -> Any:
        """Return what is written for a value that JSON does not have."""
        if _is_not_finite(o):
            raise ValueError
        return super().default(o)


class _InvalidName:
    """A name of an object that is no text, number or constant. It is found where its member is."""

    def __init__(self, name: object) -> None:
        self.type = type(name)


def write_data(value: Any) -> bytes:
    """Write a value as JSON. Raises InvalidEvent, which names the first member that cannot be written."""
    try:
        data = orjson.dumps(value, option=_PLAIN, default=_refuse)
    except TypeError:
        return _write_as_django(value)
    if b"null" in data and (member := _find(value, _is_not_finite)) is not None:
        raise InvalidEvent(member, "is NaN or infinite, which JSON does not have")
    return data


def _refuse(_: Any) -> NoReturn:
    raise TypeError


def _write_as_django(value: Any) -> bytes:
    encoder = _Encoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return encoder.encode(value).encode()
    except RecursionError:
        raise InvalidEvent("data", "is nested too deeply, or contains itself") from None
    except (TypeError, ValueError) as error:
        member = _find(value, lambda each: not _is_writable(encoder, each))
        if member is None:
            raise InvalidEvent("data", f"cannot be written as JSON: {error}"[:_MAX_SHOWN]) from None
        raise InvalidEvent(member, "cannot be written as JSON: " + _reason(value, member)) from None


def _reason(value: Any, member: str) -> str:
    found = next(each for path, each in _members(value) if path == member)
    if isinstance(found, _InvalidName):
        return f"its name is of type {found.type.__name__}"
    if _is_not_finite(found):
        return "NaN and infinity are no numbers there"
    if isinstance(found, int):
        return f"it has more than {sys.get_int_max_str_digits():,} digits"
    return f"it is of type {type(found).__name__}" if not isinstance(found, str) else "it has an unpaired surrogate"


def _is_writable(encoder: json.JSONEncoder, value: Any) -> bool:
    if isinstance(value, (dict, list, tuple)):
        return True  # its members are looked at one by one
    try:
        encoder.encode(value).encode()
    except (TypeError, ValueError):
        return False
    return True


def _is_not_finite(value: Any) -> bool:
    return (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, Decimal) and not value.is_finite()
    )


def _find(value: Any, is_wrong: Any) -> str | None:
    """Return the path of the first member that is wrong, from the innermost on, or None."""
    return next((path for path, each in _members(value) if is_wrong(each)), None)


def _members(value: Any, path: str = "data", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield all members of a value that are no objects or lists, with their paths, down to _MAX_DEPTH."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            if not isinstance(name, (str, int, float, bool, type(None))) or _is_not_finite(name):
                yield f"{path}.{name!r}"[:_MAX_SHOWN], _InvalidName(name)
            else:
                yield from _members(inner, f"{path}.{name}"[:_MAX_SHOWN], depth + 1)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _members(inner, f"{path}[{index}]"[:_MAX_SHOWN], depth + 1)
    else:
        yield path, value
