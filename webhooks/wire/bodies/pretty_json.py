"""Indent JSON and leave it otherwise exactly as it was written.

Pure. Parsing and printing would round numbers and merge duplicate keys, and an operator who compares signatures needs
to see the bytes that were sent; only the spaces between tokens change.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_OPENING, _CLOSING = frozenset("{["), frozenset("}]")
_END = ""
_INDENT = "  "
_MAX_INDENT = 40  # levels; deeper ones are not indented further


def pretty(text: str) -> str:
    """Return the same tokens with one member or item per line; text that is not JSON stays readable."""
    return "".join(_spaced(_TOKEN.findall(text)))


def _spaced(tokens: list[str]) -> Iterator[str]:
    depth = 0
    for part, following in pairwise([*tokens, _END]):
        depth += (part in _OPENING) - (part in _CLOSING)
        yield part
        if following in _CLOSING:
            yield "" if part in _OPENING else _line(depth - 1)
        elif part == "," or part in _OPENING:
            yield _line(depth)
        elif part == ":":
            yield " "


def _line(depth: int) -> str:
    return "\n" + _INDENT * max(0, min(depth, _MAX_INDENT))
