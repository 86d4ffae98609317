"""JSON text, walked one level deep: every member, with the place where its value stands.

An envelope has to be understood, but its data has to be passed on as it was written: parsing and writing it
again would round large integers, respell decimals and drop repeated keys. So the walk finds where a value
begins and ends, and the scanner of the standard library, which runs in C, does the finding.
"""

import json
import re
from typing import Any

import orjson

_decode = json.JSONDecoder().raw_decode
_space = re.compile(r"[ \t\n\r]*").match
_comma_or_end = re.compile(r"[ \t\n\r]*([,}\]])").match
# A name, and if its value is a string without escapes, the value and what follows: one match for most members.
_member = re.compile(
    r'[ \t\n\r]*"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*(?:"([^"\\\x00-\x1f]*)"[ \t\n\r]*([,}]))?'
).match
_colon = re.compile(r"[ \t\n\r]*:[ \t\n\r]*").match

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_ONE_KIND = bytes.maketrans(b"{}[]", b"()()")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{}[]")


class NotJson(ValueError):
    """It is not JSON text (RFC 8259), or not such as can be read safely. The message completes a sentence."""


Member = tuple[str, Any, int, int]
"""Name, value, start, end: the text of the value is `document[start:end]`. An object or array is not kept as a
value, CONTAINER stands for it: who wants it reads the text."""

CONTAINER = object()


def text(body: bytes) -> str:
    """The bytes as text: JSON is UTF-8 (RFC 8259 section 8.1). Raises NotJson."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise NotJson("is not UTF-8") from None


def walk_object(document: str) -> list[Member] | None:
    """The members of the object in the text, repeated names included; None if the text holds another value.

    Raises NotJson."""
    try:
        members, end = _object(document, 0)
        _expect_end(document, end)
    except (ValueError, RecursionError):
        raise NotJson("is not JSON") from None
    return members


def walk_array(document: str, most: int) -> list[list[Member] | None] | None:
    """The items of the array in the text, each as its members, or None if it is no object; None instead of a
    list if the text holds no array. Stops behind item `most` + 1: the caller sees that it is one too many.

    Raises NotJson."""
    try:
        items, end = _array(document, most)
        if items is None or len(items) <= most:
            _expect_end(document, end)
    except (ValueError, RecursionError):
        raise NotJson("is not JSON") from None
    return items


def value(data: bytes, max_depth: int) -> Any:
    """The value of one JSON text. Raises NotJson if it does not parse, nests deeper than `max_depth`, or holds
    what cannot be carried safely: NaN, a number beyond a double, half a surrogate pair."""
    try:
        parsed = orjson.loads(data)
    except ValueError:
        raise NotJson("is not JSON, or holds a number or character that JSON cannot carry safely") from None
    if nests_deeper(data, max_depth):
        raise NotJson(f"is nested more than {max_depth} levels deep")
    return parsed


def nests_deeper(data: bytes, levels: int) -> bool:
    """Does this valid JSON text nest deeper? Mostly answered by a count: there are fewer brackets than that."""
    if data.count(b"[") + data.count(b"{") <= levels:
        return False
    brackets = _STRING.sub(b"", data).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(levels):
        brackets = brackets.replace(b"()", b"")
    return bool(brackets)


def _object(document: str, at: int) -> tuple[list[Member] | None, int]:
    at = _skip_space(document, at)
    if document[at : at + 1] != "{":
        return None, _decode(document, at)[1]
    members: list[Member] = []
    at = _skip_space(document, at + 1)
    if document[at : at + 1] == "}":
        return members, at + 1
    mark = ","
    while mark == ",":
        found = _member(document, at)
        if found is not None and found[3]:
            name, content, mark = found.groups()
            start, end = found.span(2)
            members.append((name, content, start - 1, end + 1))
            at = found.end()
            continue
        name, at = (found[1], found.end()) if found is not None else _name(document, at)
        content, end = _decode(document, at)
        members.append((name, CONTAINER if isinstance(content, (dict, list)) else content, at, end))
        at, mark = _mark(document, end)
    if mark != "}":
        raise NotJson
    return members, at


def _array(document: str, most: int) -> tuple[list[list[Member] | None] | None, int]:
    at = _skip_space(document, 0)
    if document[at : at + 1] != "[":
        return None, _decode(document, at)[1]
    items: list[list[Member] | None] = []
    at = _skip_space(document, at + 1)
    if document[at : at + 1] == "]":
        return items, at + 1
    mark = ","
    while mark == ",":
        if len(items) > most:
            return items, at
        members, at = _object(document, at)
        items.append(members)
        at, mark = _mark(document, at)
    if mark != "]":
        raise NotJson
    return items, at


def _name(document: str, at: int) -> tuple[str, int]:
    """A name with escapes in it, up to where its value begins."""
    name, at = _decode(document, _skip_space(document, at))
    colon = _colon(document, at)
    if colon is None or not isinstance(name, str):
        raise NotJson
    return name, colon.end()


def _mark(document: str, at: int) -> tuple[int, str]:
    found = _comma_or_end(document, at)
    if found is None:
        raise NotJson
    return found.end(), found[1]


def _skip_space(document: str, at: int) -> int:
    found = _space(document, at)
    return found.end() if found else at


def _expect_end(document: str, at: int) -> None:
    if _skip_space(document, at) != len(document):
        raise NotJson
