"""A template is text with ``<names>`` in it; how a value is written depends on where its name stands.

A template that begins with ``{`` or ``[``, or is a single placeholder, is JSON; any other is text. A name can
stand in three places:

    as a JSON value    a string gets its quotes, everything else is written as JSON
    inside quotes      a string is escaped as in JSON (RFC 8259, section 7) but gets no quotes of its own. An
                       object or list: in JSON its JSON, escaped; in text its JSON without any quotes
    in bare text       a string as it is; an object or list as its JSON without any quotes

Quotes mean something in JSON, and in text that begins with one. What a path does not find is the empty string.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from webhooks.wire.transform.errors import InvalidTransformer
from webhooks.wire.transform.paths import MISSING

__all__ = ["Placeholder", "Template", "is_json_text", "write_value"]

MAX_LENGTH = 65_536

ValueWriter = Callable[[Any], str]
"""How a value is written in a certain place. Raises what json.dumps raises."""

_TOKEN = re.compile(r'\\["\\]|"|<(?P<name>[^<>\s"]+)>')
_SINGLE = re.compile(r"\s*<[^<>\s\"]+>\s*")
_JSON_STRING = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A name in the template, and how its value is written there."""

    name: str
    write: ValueWriter


class Template:
    """The pieces of a template in order, text and placeholders.

    ``can_break`` tells that it is JSON in which some event could still make something else of it: a
    placeholder stands where only a string may stand, as a name.
    """

    __slots__ = ("can_break", "pieces")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str) or not text.strip():
            raise InvalidTransformer("/template", 'write a template, like {"id": <id>}')
        if len(text) > MAX_LENGTH:
            raise InvalidTransformer("/template", f"a template has at most {MAX_LENGTH} characters")
        is_json = text.lstrip()[0] in "{[" or _SINGLE.fullmatch(text) is not None
        self.pieces = list(_pieces(text, is_json))
        self.can_break = is_json and not _parses(self.pieces, "null")
        if self.can_break and not _parses(self.pieces, '""'):
            raise InvalidTransformer(
                "/template",
                "begins like JSON but is none; let each placeholder stand as one value or inside quotes",
            )


def _pieces(text: str, is_json: bool) -> Iterator[str | Placeholder]:
    has_quotes = is_json or text.lstrip().startswith('"')
    inside, start = False, 0
    for token in _TOKEN.finditer(text):
        if token["name"]:
            yield text[start : token.start()]
            yield Placeholder(token["name"], _write_in(is_json, inside))
            start = token.end()
        elif token[0] == '"' and has_quotes:
            inside = not inside
    yield text[start:]


def _write_in(is_json: bool, inside: bool) -> ValueWriter:
    if is_json:
        return _write_escaped if inside else write_value
    return _write_quoted_text if inside else _write_bare_text


def _parses(pieces: list[str | Placeholder], stand_in: str) -> bool:
    parts = (piece if isinstance(piece, str) else stand_in if piece.write is write_value else "" for piece in pieces)
    return is_json_text("".join(parts))


def is_json_text(text: str) -> bool:
    """Is this text JSON?"""
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def write_value(value: Any) -> str:
    """As JSON, where JSON expects a value."""
    return '""' if value is MISSING else _dumps(value)


def _write_escaped(value: Any) -> str:
    if isinstance(value, (dict, list)):
        value = _dumps(value)
    return _dumps(value)[1:-1] if isinstance(value, str) else _write_bare_text(value)


def _write_quoted_text(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return _JSON_STRING.sub(r"\1", _dumps(value))
    return _write_escaped(value)


def _write_bare_text(value: Any) -> str:
    if value is MISSING:
        return ""
    if isinstance(value, (dict, list)):
        return _JSON_STRING.sub(lambda quoted: str(json.loads(quoted[0])), _dumps(value))
    return value if isinstance(value, str) else _dumps(value)


_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
