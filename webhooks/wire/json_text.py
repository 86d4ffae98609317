"""JSON text, taken apart one level deep: the members of an object, one of them as the text it is.

An envelope has to be understood, but its data has to be passed on as it was written: parsing and writing it
again would round large integers, respell decimals and drop repeated names. Two ways lead there, with the same
result. Text that is to the byte what orjson would write needs no search: writing a member gives its text, and
no name can be repeated. Most programs send such text, and it takes half the time. Any other text is walked,
with the scanner of the standard library, which runs in C, to find where a value ends.
"""

import json
import re
from enum import Enum
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


class InvalidJson(ValueError):
    """It is not JSON text (RFC 8259), or not such as can be read safely. The message completes a sentence."""


class ObjectError(Enum):
    """Why an item has no members to give."""

    NOT_AN_OBJECT = "is not a JSON object"
    REPEATED_NAME = "has a member twice"


ParsedObject = dict[str, Any] | ObjectError
"""The members of an object by name. The value of the one to be kept is its JSON text, as bytes."""


def read_object(body: bytes, keep: str) -> ParsedObject:
    """Take one object apart, keeping the text of the member `keep`. Raises NotJson."""
    plain = _plain(body)
    if isinstance(plain, dict):
        return _kept(plain, keep)
    document = _text(body)
    try:
        item, end = _object(document, 0, keep)
        _expect_end(document, end)
    except (ValueError, RecursionError):
        raise InvalidJson("is not JSON") from None
    return item


def read_array(body: bytes, keep: str, most: int) -> list[ParsedObject] | None:
    """Take an array of objects apart, each for itself; None if it is no array. Stops behind item `most` + 1: the
    caller sees that it is one too many. Raises NotJson."""
    plain = _plain(body)
    if isinstance(plain, list):
        return [_kept(item, keep) for item in plain[: most + 1]]
    document = _text(body)
    try:
        items, end = _array(document, keep, most)
        if items is None or len(items) <= most:
            _expect_end(document, end)
    except (ValueError, RecursionError):
        raise InvalidJson("is not JSON") from None
    return items


def parse_value(data: bytes, max_depth: int) -> Any:
    """The value of one JSON text. Raises NotJson if it does not parse, nests deeper than `max_depth`, or holds
    what cannot be carried safely: NaN, a number beyond a double, half a surrogate pair."""
    try:
        parsed = orjson.loads(data)
    except ValueError:
        raise InvalidJson("is not JSON, or holds a number or character that JSON cannot carry safely") from None
    if nests_deeper(data, max_depth):
        raise InvalidJson(f"is nested more than {max_depth} levels deep")
    return parsed


def nests_deeper(data: bytes, levels: int) -> bool:
    """Does this valid JSON text nest deeper? Mostly answered by a count: there are fewer brackets than that."""
    if data.count(b"[") + data.count(b"{") <= levels:
        return False
    brackets = _STRING.sub(b"", data).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(levels):
        brackets = brackets.replace(b"()", b"")
    return bool(brackets)


def _plain(body: bytes) -> Any:
    """The value of text that is to the byte what orjson writes for it; else None."""
    try:
        parsed = orjson.loads(body)
        return parsed if orjson.dumps(parsed) == body else None
    except (ValueError, TypeError):
        return None


def _kept(item: Any, keep: str) -> ParsedObject:
    if not isinstance(item, dict):
        return ObjectError.NOT_AN_OBJECT
    if keep in item:
        item[keep] = orjson.dumps(item[keep])
    return item


def _text(body: bytes) -> str:
    """The bytes as text: JSON is UTF-8 (RFC 8259 section 8.1)."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InvalidJson("is not UTF-8") from None


def _object(document: str, at: int, keep: str) -> tuple[ParsedObject, int]:
    at = _skip_space(document, at)
    if document[at : at + 1] != "{":
        return ObjectError.NOT_AN_OBJECT, _decode(document, at)[1]
    at = _skip_space(document, at + 1)
    if document[at : at + 1] == "}":
        return {}, at + 1
    members: list[tuple[str, Any]] = []
    mark = ","
    while mark == ",":
        found = _member(document, at)
        name, at = (found[1], found.end()) if found is not None else _name(document, at)
        if found is not None and found[3] and name != keep:
            members.append((name, found[2]))
            mark = found[3]
            continue
        if found is not None and found[3]:
            at = found.start(2) - 1
        content, end = _decode(document, at)
        members.append((name, document[at:end].encode() if name == keep else content))
        at, mark = _mark(document, end)
    if mark != "}":
        raise InvalidJson
    item = dict(members)
    return (item if len(item) == len(members) else ObjectError.REPEATED_NAME), at


def _array(document: str, keep: str, most: int) -> tuple[list[ParsedObject] | None, int]:
    at = _skip_space(document, 0)
    if document[at : at + 1] != "[":
        return None, _decode(document, at)[1]
    items: list[ParsedObject] = []
    at = _skip_space(document, at + 1)
    if document[at : at + 1] == "]":
        return items, at + 1
    mark = ","
    while mark == ",":
        if len(items) > most:
            return items, at
        item, at = _object(document, at, keep)
        items.append(item)
        at, mark = _mark(document, at)
    if mark != "]":
        raise InvalidJson
    return items, at


def _name(document: str, at: int) -> tuple[str, int]:
    """A name with escapes in it, up to where its value begins."""
    name, at = _decode(document, _skip_space(document, at))
    colon = _colon(document, at)
    if colon is None or not isinstance(name, str):
        raise InvalidJson
    return name, colon.end()


def _mark(document: str, at: int) -> tuple[int, str]:
    found = _comma_or_end(document, at)
    if found is None:
        raise InvalidJson
    return found.end(), found[1]


def _skip_space(document: str, at: int) -> int:
    found = _space(document, at)
    return found.end() if found else at


def _expect_end(document: str, at: int) -> None:
    if _skip_space(document, at) != len(document):
        raise InvalidJson
