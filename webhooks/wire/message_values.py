"""Read values from a message by their paths.

    header:Name         a header
    query:name          a parameter of the URL's query
    body:/json/pointer  a scalar in a JSON body (RFC 6901); a step * is every element of a list
    form:name           a field of a form body, urlencoded or multipart; form:name#/pointer: a scalar in its JSON
    path|path           the first of these that has a value

Numbers are read as they are written, so that a signed amount keeps its spelling. What cannot be parsed has no values.
JSON of more than ``MAX_PARSED`` bytes is not parsed as a whole: only the values at the paths that are given beforehand
are read, and of its numbers exponents may be spelled in another way.
"""

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from webhooks.wire.bodies.charset import utf8_chunks
from webhooks.wire.bodies.form_fields import MALFORMED, MAX_FIELDS, Fields, multipart_fields, urlencoded_fields
from webhooks.wire.bodies.json_selection import Wanted, chunks_of, select
from webhooks.wire.errors import UnreadableBody

PATH = re.compile(r"header:[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}|(?:query|form):[^\0]{1,128}|body:(?:/[^\0]*)?", re.DOTALL)
MAX_PARSED = 1024 * 1024  # bytes of JSON that are parsed as a whole; its objects take many times as much memory
_IN_BODY = ("body:", "form:")
_ALTERNATIVE = re.compile(r"\|(?=(?:header|query|body|form):)")

Pairs = list[tuple[str, str]]


def is_path(path: str) -> bool:
    """Return whether the text is a path."""
    return all(map(PATH.fullmatch, alternatives(path)))


def alternatives(path: str) -> list[str]:
    """Return the paths of which the first with a value counts."""
    return _ALTERNATIVE.split(path)


def is_in_body(path: str) -> bool:
    """Return whether the value at a path is in the body, so that the body must be read for it."""
    return any(each.startswith(_IN_BODY) for each in alternatives(path))


class MessageValues:
    """The values of one message. ``headers`` have lower-case names; ``query`` is the raw query string.

    ``paths``: those that will be read, if the body may have more than ``MAX_PARSED`` bytes.
    """

    def __init__(self, headers: Mapping[str, str], query: str, body: bytes = b"", *, paths: Iterable[str] = ()) -> None:
        self._headers, self._query, self.body, self._paths = headers, query, body, paths

    def find(self, path: str) -> str | None:
        """Return the value at a path; None if there is none, or more than one."""
        found = self.find_all(path)
        return found[0] if len(found) == 1 else None

    def find_all(self, path: str) -> list[str]:
        """Return all values at a path, in the order of the message."""
        return next(filter(None, map(self._all_at, alternatives(path))), [])

    def _all_at(self, path: str) -> list[str]:
        part, _, name = path.partition(":")
        if part == "header":
            value = self._headers.get(name.lower())
            return [] if value is None else [value]
        if part == "query":
            return [value for key, value in self.query_pairs if key == name]
        if part == "body":
            return _scalars(self.document, name)
        name, hash_sign, pointer = name.partition("#")
        wanted = name.encode("utf-8", "surrogatepass")
        fields = [value for key, value in self.form_fields if key == wanted]
        if not hash_sign:
            return [value.decode() for value in fields]
        return [text for value in fields for text in _scalars(_document(value, [pointer]), pointer)]

    @cached_property
    def query_pairs(self) -> Pairs:
        """The decoded parameters of the query, in order."""
        return _pairs(self._query)

    @cached_property
    def form_fields(self) -> Fields:
        """The decoded fields of a form, in order; files of a multipart form are left out."""
        declared = self._headers.get("content-type", "")
        try:
            if declared.lower().startswith("multipart/form-data"):
                return multipart_fields(declared, self.body)
            return urlencoded_fields(self.body)
        except MALFORMED:
            return []

    @cached_property
    def document(self) -> Any:
        """The parsed JSON body, with numbers as text in ``Number``; None if it is not JSON."""
        paths = [each for path in self._paths for each in alternatives(path)]
        return _document(self.body, [path.removeprefix("body:") for path in paths if path.startswith("body:")])


class Number(str):
    """A JSON number as it is written."""

    __slots__ = ()


def parse(body: bytes | str) -> Any:
    """Parse JSON with numbers as they are written; return None for what is not JSON."""
    try:
        return json.loads(body, parse_float=Number, parse_int=Number, parse_constant=Number)
    except (ValueError, RecursionError):
        return None


def _document(body: bytes, pointers: Iterable[str]) -> Any:
    """Return the document of a text; of a large one only the way to these pointers."""
    if len(body) <= MAX_PARSED:
        return parse(body)
    wanted = Wanted()
    for pointer in pointers:
        wanted.add_pointer(pointer)
    try:
        return select(utf8_chunks(chunks_of(BytesIO(body)), ""), wanted)
    except UnreadableBody:
        return None


def _scalars(document: Any, pointer: str) -> list[str]:
    """Return the scalars at a pointer, as text."""
    return [text for text in map(_scalar, _follow(document, pointer.split("/")[1:])) if text is not None]


def _follow(value: Any, steps: list[str]) -> list[Any]:
    """Return the values at the steps of a pointer."""
    found = [value]
    for step in steps:
        key = step.replace("~1", "/").replace("~0", "~")
        found = [child for parent in found for child in _children(parent, key)]
    return found


def _children(parent: Any, key: str) -> list[Any]:
    if isinstance(parent, dict):
        return [parent[key]] if key in parent else []
    if not isinstance(parent, list):
        return []
    if key == "*":
        return parent
    return [parent[int(key)]] if key.isascii() and key.isdigit() and int(key) < len(parent) else []


def _scalar(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | Decimal) else None


def _pairs(text: str) -> Pairs:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        return []
