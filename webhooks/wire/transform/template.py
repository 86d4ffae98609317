"""Split a template, a text with ``<names>``, into placeholders and text between them.

A template that begins with ``{`` or ``[``, or is a single placeholder, is JSON; any other is text. The place of a
placeholder decides how its value is written:

    as a JSON value    a string with quotes, everything else as JSON
    inside quotes      a string escaped as in JSON (RFC 8259 section 7), without quotes of its own. An object or list:
                       in JSON its JSON, escaped; in text its JSON without any quotes
    in bare text       a string unchanged; an object or list as its JSON without any quotes

Quotes are recognized in JSON, and in text that begins with one. A missing value is written as the empty string.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from webhooks.wire.json_numbers import JsonNumber, raw
from webhooks.wire.transform.errors import InvalidTransformer
from webhooks.wire.transform.paths import MISSING

MAX_LENGTH = 65_536  # characters

ValueWriter = Callable[[Any], str]
"""Writes a value in one kind of place. Raises what json.dumps raises."""

_TOKEN = re.compile(r'\\["\\]|"|<(?P<name>[^<>\s"]+)>')
_SINGLE = re.compile(r"\s*<[^<>\s\"]+>\s*")
_JSON_STRING = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A name in the template, and the writer of its value there."""

    name: str
    write: ValueWriter


class Template:
    """The pieces of a template in order: text and placeholders.

    ``can_break`` says that some values may make the result invalid JSON: a placeholder is at the place of a name,
    where only a string is valid.
    """

    __slots__ = ("can_break", "pieces", "placeholders")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str) or not text.strip():
            raise InvalidTransformer("/template", 'write a template, like {"id": <id>}')
        if len(text) > MAX_LENGTH:
            raise InvalidTransformer("/template", f"a template has at most {MAX_LENGTH} characters")
        is_json = text.lstrip()[0] in "{[" or _SINGLE.fullmatch(text) is not None
        self.pieces = list(_pieces(text, is_json))
        self.placeholders = [piece for piece in self.pieces if isinstance(piece, Placeholder)]
        self.can_break = is_json and not _is_json_with(self.pieces, "null")
        if self.can_break and not _is_json_with(self.pieces, '""'):
            raise InvalidTransformer(
                "/template", "begins like JSON but is not; write each placeholder as one value or inside quotes"
            )


def _pieces(text: str, is_json: bool) -> Iterator[str | Placeholder]:
    has_quotes = is_json or text.lstrip().startswith('"')
    is_quoted, start = False, 0
    for token in _TOKEN.finditer(text):
        if token["name"]:
            yield text[start : token.start()]
            yield Placeholder(token["name"], _writer(is_json, is_quoted))
            start = token.end()
        elif token[0] == '"' and has_quotes:
            is_quoted = not is_quoted
    yield text[start:]


def _writer(is_json: bool, is_quoted: bool) -> ValueWriter:
    if is_json:
        return write_escaped if is_quoted else write_value
    return _write_quoted_text if is_quoted else _write_bare_text


def _is_json_with(pieces: list[str | Placeholder], value: str) -> bool:
    """Return whether the template is JSON with this JSON text at the place of every value."""
    parts = (piece if isinstance(piece, str) else value if piece.write is write_value else "" for piece in pieces)
    return is_json_text("".join(parts))


def is_json_text(text: str) -> bool:
    """Return whether this text is JSON."""
    try:
        json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def write_value(value: Any) -> str:
    """Write a value as JSON."""
    return '""' if value is MISSING else as_json(value)


def write_escaped(value: Any) -> str:
    """Write a value inside quotes of JSON."""
    if isinstance(value, (dict, list)):
        value = as_json(value)
    return as_json(value)[1:-1] if isinstance(value, str) else _write_bare_text(value)


def _write_quoted_text(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return _JSON_STRING.sub(r"\1", as_json(value))
    return write_escaped(value)


def _write_bare_text(value: Any) -> str:
    if value is MISSING:
        return ""
    if isinstance(value, (dict, list)):
        return _JSON_STRING.sub(_unquoted, as_json(value))
    return value if isinstance(value, str) else as_json(value)


def _unquoted(string: re.Match[str]) -> str:
    return str(json.loads(string[0])) if "\\" in string[1] else string[1]


class _Exact(Exception):
    """A value contains a number that is to be written as it was."""


def _refuse(value: object) -> None:
    if isinstance(value, JsonNumber):
        raise _Exact
    raise TypeError(f"{type(value).__name__} is not a JSON value")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_refuse).encode


def as_json(value: Any) -> str:
    """Write a value as compact JSON, numbers as they were written in the event."""
    try:
        return _encode(value)
    except _Exact:
        return orjson.dumps(value, default=raw).decode()
