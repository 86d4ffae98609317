"""Parse a JSON object and keep one member as its original text.

The envelope of an event is parsed, but its data is passed on as it was written: parsing and writing it again would
round large integers, respell decimals and drop duplicate keys. Two paths give the same result. Text that is byte for
byte what orjson writes needs no search: writing a member gives its text, and no key is repeated. Most programs send
such text, and it takes half the time. Any other text is scanned with the decoder of the standard library, in C, to
find the end of each value.
"""

import json
import math
import re
from collections import Counter
from enum import Enum
from typing import Any, NoReturn

import orjson

from webhooks.wire.json_numbers import fraction, integer, may_be_rewritten

# Integers of any length, which int() refuses from 4,301 digits on. The value of what is kept as text is not used.
_decode = json.JSONDecoder(parse_int=integer).raw_decode
_skip = json.JSONDecoder(parse_int=len, parse_float=len).raw_decode
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
    """The text is not JSON (RFC 8259), or not JSON that is safe to read. The message completes a sentence."""


class ObjectError(Enum):
    """The reason why an item has no members."""

    NOT_AN_OBJECT = "is not a JSON object"
    DUPLICATE_KEY = "has a duplicate key"


ParsedObject = dict[str, Any] | ObjectError
"""The members of an object by name. The value of the one to be kept is its JSON text, as bytes."""


def read_object(body: bytes, keep: str) -> ParsedObject:
    """Parse one object and keep the text of the member `keep`. Raises InvalidJson."""
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
    """Parse an array of objects; None if the text is not an array.

    Stops after item `most` + 1, so that the caller sees that there are too many. Raises InvalidJson.
    """
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
    """Parse one JSON text. Numbers that Python would write in another way are JsonNumbers.

    Raises InvalidJson if it does not parse, nests deeper than `max_depth`, or contains NaN, a number beyond a double or
    the exponents of Decimal, or an unpaired surrogate.
    """
    try:
        parsed = orjson.loads(data)
    except ValueError:
        raise InvalidJson(_reason(data)) from None
    if nests_deeper(data, max_depth):
        raise InvalidJson(f"is nested more than {max_depth} levels deep")
    if not may_be_rewritten(data, parsed):
        return parsed
    try:
        return json.loads(data, parse_float=fraction, parse_int=integer)
    except ValueError:  # a double has the value 0 for it, and Decimal has none
        raise InvalidJson("contains a number with an exponent that is too large") from None


def _reason(data: bytes) -> str:
    """Return why orjson does not accept this text."""
    try:
        json.loads(data.decode(), parse_int=_check_range, parse_float=_check_range, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        return "is not UTF-8"
    except InvalidJson as error:
        return str(error)
    except RecursionError:
        return "is nested too deeply"
    except ValueError:
        return "is not JSON"
    return "contains an unpaired surrogate"


def _check_range(text: str) -> None:
    if math.isinf(float(text)):
        raise InvalidJson("contains a number beyond a double")


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"contains {name}, which JSON does not have")


def duplicate_key(data: bytes) -> tuple[str | int, ...]:
    """Return the path of a name that an object has twice, or an empty one.

    ``data``: JSON text that orjson reads, nested at most 254 levels. Names are counted first: outside of strings, a
    colon follows each name and stands nowhere else.
    """
    written = orjson.dumps(orjson.loads(data))
    if written == data or _STRING.sub(b"", data).count(b":") == _STRING.sub(b"", written).count(b":"):
        return ()
    document = json.loads(data, object_pairs_hook=_marked, parse_int=len, parse_float=len)
    return _path_to_duplicate(document, ()) or ()


class _Duplicate(dict[str, Any]):
    """An object with a name that it has twice."""

    name = ""


def _marked(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) == len(members):
        return found
    marked, counts = _Duplicate(found), Counter(name for name, _ in members)
    marked.name = next(name for name, count in counts.items() if count > 1)
    return marked


def _path_to_duplicate(value: Any, path: tuple[str | int, ...]) -> tuple[str | int, ...] | None:
    if isinstance(value, _Duplicate):
        return (*path, value.name)
    children: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next((found for key, child in children if (found := _path_to_duplicate(child, (*path, key)))), None)


def nests_deeper(data: bytes, levels: int) -> bool:
    """Return whether valid JSON text nests deeper than `levels`. Mostly decided by the number of brackets."""
    if data.count(b"[") + data.count(b"{") <= levels:
        return False
    brackets = _STRING.sub(b"", data).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(levels):
        outer = brackets.replace(b"()", b"")
        if len(outer) == len(brackets):
            break
        brackets = outer
    return bool(brackets)


def _plain(body: bytes) -> Any:
    """Parse text that is byte for byte what orjson writes; else return None."""
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
    """Decode JSON, which is UTF-8 (RFC 8259 section 8.1)."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InvalidJson("is not UTF-8") from None


def _object(document: str, at: int, keep: str) -> tuple[ParsedObject, int]:
    at = _skip_space(document, at)
    if document[at : at + 1] != "{":
        return ObjectError.NOT_AN_OBJECT, _skip(document, at)[1]
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
        content, end = (_skip if name == keep else _decode)(document, at)
        members.append((name, document[at:end].encode() if name == keep else content))
        at, mark = _mark(document, end)
    if mark != "}":
        raise InvalidJson
    item = dict(members)
    return (item if len(item) == len(members) else ObjectError.DUPLICATE_KEY), at


def _array(document: str, keep: str, most: int) -> tuple[list[ParsedObject] | None, int]:
    at = _skip_space(document, 0)
    if document[at : at + 1] != "[":
        return None, _skip(document, at)[1]
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
    """Parse a key with escapes; return it and the position of its value."""
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
