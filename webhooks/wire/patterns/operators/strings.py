"""Compile the operators for strings: exact, prefix, suffix, without regard to case, wildcard. Other types never match.

Each reads the string at most once. Case is compared by full Unicode case folding (Unicode 3.13, D145) of both sides.
Each operator is a value with the text it compares, so that many of them can be looked up at once (text_lookup.py).
"""

from dataclasses import dataclass
from typing import Any

from webhooks.wire.patterns.arguments import InvalidPattern, Predicate, require_string, single_operator


@dataclass(frozen=True, slots=True)
class OneOf:
    """Accept these strings."""

    strings: frozenset[str]

    def __call__(self, scalar: Any) -> bool:
        """Return whether the scalar is one of the strings."""
        return isinstance(scalar, str) and scalar in self.strings


@dataclass(frozen=True, slots=True)
class EqualsIgnoreCase:
    """Accept strings that are equal after case folding. ``text`` is folded."""

    text: str

    def __call__(self, scalar: Any) -> bool:
        """Return whether the folded scalar is the text."""
        return isinstance(scalar, str) and scalar.casefold() == self.text


@dataclass(frozen=True, slots=True)
class Prefix:
    """Accept strings that begin with a text, which is folded if case is ignored."""

    text: str
    ignores_case: bool = False

    def __call__(self, scalar: Any) -> bool:
        """Return whether the scalar begins with the text."""
        return isinstance(scalar, str) and (scalar.casefold() if self.ignores_case else scalar).startswith(self.text)


@dataclass(frozen=True, slots=True)
class Suffix:
    """Accept strings that end with a text, which is folded if case is ignored."""

    text: str
    ignores_case: bool = False

    def __call__(self, scalar: Any) -> bool:
        """Return whether the scalar ends with the text."""
        return isinstance(scalar, str) and (scalar.casefold() if self.ignores_case else scalar).endswith(self.text)


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Accept strings that have these pieces in order: the head at the beginning, the tail at the end.

    Each piece is searched once, behind the piece before: its first occurrence leaves the most room for the pieces after
    it, so no other occurrence has to be tried.
    """

    head: str
    middle: tuple[str, ...]
    tail: str
    min_length: int

    def __call__(self, scalar: Any) -> bool:
        """Return whether the scalar has all pieces."""
        if not isinstance(scalar, str) or len(scalar) < self.min_length:
            return False
        if not (scalar.startswith(self.head) and scalar.endswith(self.tail)):
            return False
        position, end = len(self.head), len(scalar) - len(self.tail)
        for piece in self.middle:
            start = scalar.find(piece, position, end)
            if start < 0:
                return False
            position = start + len(piece)
        return True


def exactly(argument: Any, at: str) -> Predicate:
    """Compile ``{"exactly": "a"}``: the same characters. An IP address is not compared as an address."""
    return OneOf(frozenset({require_string(argument, at)}))


def equals_ignore_case(argument: Any, at: str) -> Predicate:
    """Compile ``{"equals-ignore-case": "a"}``."""
    return EqualsIgnoreCase(require_string(argument, at).casefold())


def prefix(argument: Any, at: str) -> Predicate:
    """Compile ``{"prefix": "a"}`` or ``{"prefix": {"equals-ignore-case": "a"}}``. Every string begins with ""."""
    if isinstance(argument, dict):
        return Prefix(_folded(argument, at), ignores_case=True)
    return Prefix(require_string(argument, at))


def suffix(argument: Any, at: str) -> Predicate:
    """Compile ``{"suffix": "a"}`` or ``{"suffix": {"equals-ignore-case": "a"}}``. Every string ends with ""."""
    if isinstance(argument, dict):
        return Suffix(_folded(argument, at), ignores_case=True)
    return Suffix(require_string(argument, at))


def wildcard(argument: Any, at: str) -> Predicate:
    """Compile ``{"wildcard": "a*b"}``: a star matches any number of characters, also none."""
    match _literal_pieces(require_string(argument, at), at):
        case [text]:
            return OneOf(frozenset({text}))
        case [head, ""]:
            return Prefix(head)
        case ["", tail]:
            return Suffix(tail)
        case [head, *middle, tail]:
            return Wildcard(head, tuple(middle), tail, len(head) + sum(map(len, middle)) + len(tail))
    raise AssertionError("a text has at least one piece")


def _folded(argument: dict[str, Any], at: str) -> str:
    name, text = single_operator(argument, at, ("equals-ignore-case",))
    return require_string(text, f"{at}/{name}").casefold()


def _literal_pieces(text: str, at: str) -> list[str]:
    r"""Return the literal text between the stars. ``\*`` and ``\\`` are the only escapes."""
    pieces = [""]
    characters = iter(text)
    previous = ""
    for character in characters:
        if character == "*":
            if previous == "*":
                raise InvalidPattern(at, r"two stars in a row; write one (a literal star is \*)")
            pieces.append("")
        elif character == "\\":
            escaped = next(characters, "")
            if escaped not in ("*", "\\"):
                raise InvalidPattern(at, "a backslash is only allowed before * or another backslash")
            pieces[-1] += escaped
        else:
            pieces[-1] += character
        previous = character
    return pieces
