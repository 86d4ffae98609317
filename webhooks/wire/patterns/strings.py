"""The operators for strings: exact, prefix, suffix, without regard to case, and wildcards. Other types never match.

Each reads the string at most once. Case is compared by full Unicode case folding (Unicode 3.13, D145) of both sides.
"""

from typing import Any

from webhooks.wire.patterns.arguments import InvalidPattern, Predicate, require_string, single_operator


def one_of(strings: set[str]) -> Predicate:
    """Return the test for being one of these strings."""
    accepted = frozenset(strings)
    return lambda scalar: isinstance(scalar, str) and scalar in accepted


def exactly(argument: Any, at: str) -> Predicate:
    """Compile ``{"exactly": "a"}``: the same characters. An IP address is not compared as an address."""
    return one_of({require_string(argument, at)})


def equals_ignore_case(argument: Any, at: str) -> Predicate:
    """Compile ``{"equals-ignore-case": "a"}``."""
    folded = require_string(argument, at).casefold()
    return lambda scalar: isinstance(scalar, str) and scalar.casefold() == folded


def prefix(argument: Any, at: str) -> Predicate:
    """Compile ``{"prefix": "a"}`` or ``{"prefix": {"equals-ignore-case": "a"}}``. Every string begins with ""."""
    if isinstance(argument, dict):
        folded = _folded(argument, at)
        return lambda scalar: isinstance(scalar, str) and scalar.casefold().startswith(folded)
    start = require_string(argument, at)
    return lambda scalar: isinstance(scalar, str) and scalar.startswith(start)


def suffix(argument: Any, at: str) -> Predicate:
    """Compile ``{"suffix": "a"}`` or ``{"suffix": {"equals-ignore-case": "a"}}``. Every string ends with ""."""
    if isinstance(argument, dict):
        folded = _folded(argument, at)
        return lambda scalar: isinstance(scalar, str) and scalar.casefold().endswith(folded)
    end = require_string(argument, at)
    return lambda scalar: isinstance(scalar, str) and scalar.endswith(end)


def wildcard(argument: Any, at: str) -> Predicate:
    """Compile ``{"wildcard": "a*b"}``: a star matches any number of characters, also none.

    Each literal piece is searched once, behind the piece before: its first occurrence leaves the most room for the
    pieces after it, so no other occurrence has to be tried.
    """
    pieces = _literal_pieces(require_string(argument, at), at)
    if len(pieces) == 1:
        return one_of({pieces[0]})
    head, *middle, tail = pieces
    min_length = sum(map(len, pieces))

    def is_match(scalar: Any) -> bool:
        if not isinstance(scalar, str) or len(scalar) < min_length:
            return False
        if not (scalar.startswith(head) and scalar.endswith(tail)):
            return False
        position, end = len(head), len(scalar) - len(tail)
        for piece in middle:
            start = scalar.find(piece, position, end)
            if start < 0:
                return False
            position = start + len(piece)
        return True

    return is_match


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
