"""Make headers of a record from properties of another system, which may be anything."""

import re
from collections.abc import Iterable, Mapping

from webhooks.kit.bodies.stored_headers import MAX_HEADER_LENGTH, MAX_HEADERS_LENGTH

MAX_HEADERS = 128
MAX_NAME = 128  # characters
MAX_TOTAL = MAX_HEADERS_LENGTH * 3 // 4  # of names and values; the rest is for our own
LEFT_OUT = "headers-left-out"

_NOT_IN_NAMES = re.compile(r"[^!#$%&'*+.^_`|~0-9a-z-]")  # RFC 9110 section 5.6.2, in lower case
_NOT_IN_VALUES = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "host"})  # of HTTP, not of a record


def record_headers(given: Iterable[tuple[str, object]], own: Mapping[str, object]) -> dict[str, str]:
    """Return properties of a record as headers, and ``own``, which replace those of the same name.

    Names are in lower case, with hyphens for characters that a name may not have; control characters of values become
    spaces; bytes are text in UTF-8. None is left out, and so is what is too long or too much, which is counted in the
    header ``headers-left-out``.
    """
    headers: dict[str, str] = {}
    total = left_out = 0
    for written, value in given:
        if value is None:
            continue
        name, text = _NOT_IN_NAMES.sub("-", written.lower()), _text(value)
        size = len(name) + len(text)
        is_too_much = len(headers) >= MAX_HEADERS or total + size > MAX_TOTAL
        if not name or name in _OURS or len(name) > MAX_NAME or len(text) > MAX_HEADER_LENGTH or is_too_much:
            left_out += 1
            continue
        headers[name] = text
        total += size
    first = {name: _text(value) for name, value in own.items() if value not in (None, "")}
    if left_out:
        first[LEFT_OUT] = str(left_out)
    return {**first, **headers, **first}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value.decode("utf-8", "replace") if isinstance(value, (bytes, bytearray)) else str(value)
    return _NOT_IN_VALUES.sub(" ", text).strip()
