"""JSON as people read it: indented, and otherwise exactly as it was written.

PURE. Parsing and printing would round numbers and merge repeated names, and an operator who compares signatures
needs to see what was sent; so only the spaces between tokens change.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

__all__ = ["pretty"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_OPENING, _CLOSING = frozenset("{["), frozenset("}]")
_END = ""
_INDENT = "  "
_DEEPEST = 40  # levels that are still indented further; below that the page only gets wider


def pretty(text: str) -> str:
    """The same tokens, one member or item a line. Text that is no JSON comes out readable as well."""
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
    return "\n" + _INDENT * max(0, min(depth, _DEEPEST))
