"""Read values from a message by their paths.

    header:Name         a header
    query:name          a parameter of the URL's query
    body:/json/pointer  a scalar in a JSON body (RFC 6901); a step * is every element of a list
    form:name           a field of a form body, urlencoded or multipart; form:name#/pointer: a scalar in its JSON

Numbers are read as they are written, so that a signed amount keeps its spelling. What cannot be parsed has no values.
"""

import json
import re
from collections.abc import Mapping
from email.parser import BytesParser
from email.policy import HTTP
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

PATH = re.compile(r"header:[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}|(?:query|form):[^\0]{1,128}|body:(?:/[^\0]*)?", re.DOTALL)
MAX_FIELDS = 1000  # of a form or query
_IN_BODY = ("body:", "form:")

Pairs = list[tuple[str, str]]


def is_path(path: str) -> bool:
    """Tell whether the text is a path."""
    return PATH.fullmatch(path) is not None


def is_in_body(path: str) -> bool:
    """Tell whether the value at a path is in the body, so that the body must be read for it."""
    return path.startswith(_IN_BODY)


class MessageValues:
    """The values of one message. ``headers`` have lower-case names; ``query`` is the raw query string."""

    def __init__(self, headers: Mapping[str, str], query: str, body: bytes = b"") -> None:
        self._headers, self._query, self.body = headers, query, body

    def find(self, path: str) -> str | None:
        """Return the value at a path; None if there is none, or more than one."""
        found = self.find_all(path)
        return found[0] if len(found) == 1 else None

    def find_all(self, path: str) -> list[str]:
        """Return all values at a path, in the order of the message."""
        part, _, name = path.partition(":")
        if part == "header":
            value = self._headers.get(name.lower())
            return [] if value is None else [value]
        if part == "query":
            return [value for key, value in self.query_pairs if key == name]
        if part == "body":
            return _scalars(self.document, name)
        name, hash_sign, pointer = name.partition("#")
        fields = [value for key, value in self.form_pairs if key == name]
        return [text for value in fields for text in _scalars(parse(value), pointer)] if hash_sign else fields

    @cached_property
    def query_pairs(self) -> Pairs:
        """The decoded parameters of the query, in order."""
        return _pairs(self._query)

    @cached_property
    def form_pairs(self) -> Pairs:
        """The decoded fields of a form, in order; files of a multipart form are left out."""
        declared = self._headers.get("content-type", "")
        if declared.lower().startswith("multipart/form-data"):
            return _multipart(declared, self.body)
        try:
            return _pairs(self.body.decode())
        except UnicodeDecodeError:
            return []

    @cached_property
    def document(self) -> Any:
        """The parsed JSON body, with numbers as text in ``Number``; None if it is not JSON."""
        return parse(self.body)


class Number(str):
    """A JSON number as it is written."""

    __slots__ = ()


def parse(body: bytes | str) -> Any:
    """Parse JSON with numbers as they are written; return None for what is not JSON."""
    try:
        return json.loads(body, parse_float=Number, parse_int=Number, parse_constant=Number)
    except (ValueError, RecursionError):
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
    return str(value) if isinstance(value, str) else None


def _pairs(text: str) -> Pairs:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        return []


def _multipart(content_type: str, body: bytes) -> Pairs:
    """Return the fields of a multipart form (RFC 7578)."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("utf-8", "replace")
    try:
        parts = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
        named = [(part.get_param("name", header="content-disposition"), part) for part in parts]
        return [
            (str(name), str(part.get_payload(decode=True).decode()))  # type: ignore[union-attr]
            for name, part in named[:MAX_FIELDS]
            if name and part.get_filename() is None
        ]
    except (ValueError, TypeError, LookupError, AttributeError):
        return []
