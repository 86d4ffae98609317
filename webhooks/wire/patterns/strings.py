"""Questions about text: whole, beginning, end, whatever the case, and with stars. Nothing but text passes.

Each reads the text at most once from end to end. Case is compared by full Unicode case folding (Unicode 3.13,
D145), on both sides.
"""

from typing import Any

from webhooks.wire.patterns.arguments import InvalidPattern, Predicate, require_string, single_operator

__all__ = ["equals_ignore_case", "exactly", "one_of", "prefix", "suffix", "wildcard"]


def one_of(strings: set[str]) -> Predicate:
    """Is it one of these strings?"""
    wanted = frozenset(strings)
    return lambda scalar: isinstance(scalar, str) and scalar in wanted


def exactly(argument: Any, at: str) -> Predicate:
    """``{"exactly": "a"}``: the same characters; an address is mere text here."""
    return one_of({require_string(argument, at)})


def equals_ignore_case(argument: Any, at: str) -> Predicate:
    """``{"equals-ignore-case": "a"}``: the same characters but for their case."""
    folded = require_string(argument, at).casefold()
    return lambda scalar: isinstance(scalar, str) and scalar.casefold() == folded


def prefix(argument: Any, at: str) -> Predicate:
    """``{"prefix": "a"}`` or ``{"prefix": {"equals-ignore-case": "a"}}``; "" begins every string."""
    if isinstance(argument, dict):
        folded = _ignoring_case(argument, at)
        return lambda scalar: isinstance(scalar, str) and scalar.casefold().startswith(folded)
    start = require_string(argument, at)
    return lambda scalar: isinstance(scalar, str) and scalar.startswith(start)


def suffix(argument: Any, at: str) -> Predicate:
    """``{"suffix": "a"}`` or ``{"suffix": {"equals-ignore-case": "a"}}``; "" ends every string."""
    if isinstance(argument, dict):
        folded = _ignoring_case(argument, at)
        return lambda scalar: isinstance(scalar, str) and scalar.casefold().endswith(folded)
    end = require_string(argument, at)
    return lambda scalar: isinstance(scalar, str) and scalar.endswith(end)


def wildcard(argument: Any, at: str) -> Predicate:
    """``{"wildcard": "a*b"}``: a star is any run of characters, the empty one too.

    The first place where a piece fits behind the piece before is always good enough, since whatever follows
    has most room there. So nothing is tried twice.
    """
    pieces = _pieces(require_string(argument, at), at)
    if len(pieces) == 1:
        return one_of({pieces[0]})
    head, *middle, tail = pieces
    shortest = sum(map(len, pieces))

    def test(scalar: Any) -> bool:
        if not isinstance(scalar, str) or len(scalar) < shortest:
            return False
        if not (scalar.startswith(head) and scalar.endswith(tail)):
            return False
        position, end = len(head), len(scalar) - len(tail)
        for piece in middle:
            found = scalar.find(piece, position, end)
            if found < 0:
                return False
            position = found + len(piece)
        return True

    return test


def _ignoring_case(argument: dict[str, Any], at: str) -> str:
    name, text = single_operator(argument, at, ("equals-ignore-case",))
    return require_string(text, f"{at}/{name}").casefold()


def _pieces(text: str, at: str) -> list[str]:
    """The literal text between the stars; ``\\*`` and ``\\\\`` are the only escapes."""
    pieces = [""]
    characters = iter(text)
    previous = ""
    for character in characters:
        star = character == "*"
        if star and previous == "*":
            raise InvalidPattern(at, "two stars in a row; one means the same (a literal star is \\*)")
        previous = character
        if star:
            pieces.append("")
            continue
        if character == "\\":
            character = next(characters, "")
            if character not in ("*", "\\"):
                raise InvalidPattern(at, "a backslash may only stand before * or another backslash")
        pieces[-1] += character
    return pieces
