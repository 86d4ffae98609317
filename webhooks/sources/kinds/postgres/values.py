"""Turn values in PostgreSQL's text form into JSON, so that nothing of them is lost.

    boolean                              true, false
    smallint, integer, bigint, oid       a number
    real, double precision               a number; NaN and infinities are strings
    numeric, money                       a string with all digits: "1.10"
    json, jsonb                          the value itself
    bytea                                Base64
    timestamp with time zone             "2026-11-29T10:00:00.123456Z"
    timestamp                            "2026-11-29T10:00:00.123456"
    arrays                               arrays, nested as they are; their elements as above
    domains                              as their base type
    all others                           PostgreSQL's text

Pure. Sessions have the settings that make the text unambiguous: ``connect.SESSION``.
"""

import base64
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson

Convert = Callable[[bytes], Any]
"""Return a value for ``orjson`` from text. Raises ValueError (of which UnicodeDecodeError is one)."""

ELEMENTS = {
    1000: 16,
    1001: 17,
    1005: 21,
    1007: 23,
    1016: 20,
    1028: 26,
    1021: 700,
    1022: 701,
    1231: 1700,
    199: 114,
    3807: 3802,
    1115: 1114,
    1185: 1184,
    1009: 25,
    1015: 1043,
    1014: 1042,
    2951: 2950,
    1182: 1082,
    1183: 1083,
}
"""By oid of a built-in array type: the oid of its elements."""

_TIMESTAMP = re.compile(rb"(\d{4,})-(\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(\+00)?")
_TOKENS = re.compile(rb'[{},]|"(?:[^"\\]|\\.)*"|[^,{}"]+', re.DOTALL)  # of an array
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_BOUNDS = re.compile(rb"(?:\[[+-]?\d+:[+-]?\d+\])+=")


def _text(value: bytes) -> str:
    return value.decode()


def _number(value: bytes) -> float | str:
    found = float(value)
    return found if found - found == 0 else value.decode()


def _bytea(value: bytes) -> str:
    return base64.b64encode(bytes.fromhex(value[2:].decode())).decode()


def _json(value: bytes) -> orjson.Fragment:
    value.decode()
    return orjson.Fragment(value)


def _timestamp(value: bytes) -> str:
    """Return RFC 3339; infinities and years before Christ stay as they are."""
    found = _TIMESTAMP.fullmatch(value)
    if not found:
        return value.decode()
    zone = "Z" if found[4] else ""
    return f"{found[1].decode()}-{found[2].decode()}T{found[3].decode()}{zone}"


_CONVERTERS: dict[int, Convert] = {
    16: lambda value: value == b"t",
    17: _bytea,
    **dict.fromkeys((20, 21, 23, 26), int),
    **dict.fromkeys((700, 701), _number),
    **dict.fromkeys((114, 3802), _json),
    **dict.fromkeys((1114, 1184), _timestamp),
}


def converter(oid: int, types: Mapping[int, tuple[int, int]]) -> Convert:
    """Return how to convert values of a type; ``types``: the types of elements and of domains' bases, by oid, or 0."""
    if oid in _CONVERTERS:
        return _CONVERTERS[oid]
    element, base = types.get(oid, (ELEMENTS.get(oid, 0), 0))
    if element:
        return partial(_array, converter(element, types))
    return converter(base, types) if base else _text


def _array(convert: Convert, value: bytes) -> list[Any]:
    """Return the items of an array in its text form, such as ``{1,NULL,{"a,b"}}``; bounds are left out."""
    bounds = _BOUNDS.match(value)
    at = bounds.end() if bounds else 0
    if value[at : at + 1] != b"{":
        raise ValueError("is no array")
    stack: list[list[Any]] = [[]]
    for token in _TOKENS.finditer(value, at):
        text = token[0]
        if text == b"{":
            stack.append([])
        elif text == b"}":
            if len(stack) == 1:
                raise ValueError("is no array: it has too many brackets")
            done = stack.pop()
            stack[-1].append(done)
        elif text.startswith(b'"'):
            stack[-1].append(convert(_ESCAPED.sub(rb"\1", text[1:-1])))
        elif text == b"NULL":
            stack[-1].append(None)
        elif text != b",":
            stack[-1].append(convert(text))
    if len(stack) != 1 or len(stack[0]) != 1:
        raise ValueError("is no array: its brackets do not match")
    return stack[0][0]  # type: ignore[no-any-return]
