"""What stands behind an operator is checked before it is used, and a wrong one is refused with its place.

InvalidPattern (ValueError)    what is wrong with a pattern, where, and what to write instead
"""

import math
from collections.abc import Callable, Collection
from typing import Any

__all__ = [
    "InvalidPattern",
    "Predicate",
    "is_number",
    "require_finite",
    "require_number",
    "require_string",
    "single_operator",
]

Predicate = Callable[[Any], bool]
"""A question put to one scalar of an event: a string, number, boolean or null. It never raises."""


class InvalidPattern(ValueError):
    """This is not an event pattern.

    ``path`` is a JSON pointer (RFC 6901) to the offending place, "" being the pattern itself; ``reason`` says
    what is wrong there and what to write.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path or 'the pattern'}: {reason}")
        self.path = path
        self.reason = reason


def require_string(value: Any, at: str) -> str:
    """The value, if it is a string. Raises InvalidPattern."""
    if not isinstance(value, str):
        raise InvalidPattern(at, f"takes a string, not {_named(value)}")
    return value


def require_number(value: Any, at: str) -> int | float:
    """The value, if it is a number. Raises InvalidPattern."""
    if not is_number(value):
        raise InvalidPattern(at, f"compares with a number, not {_named(value)}")
    return require_finite(value, at)


def require_finite(value: int | float, at: str) -> int | float:
    """The number, if it lies within the range of a double (IEEE 754 binary64). Raises InvalidPattern."""
    try:
        fits = math.isfinite(value)
    except OverflowError:
        fits = False
    if not fits:
        raise InvalidPattern(at, "the number is beyond what a double can hold")
    return value


def is_number(value: Any) -> bool:
    """Is this a JSON number? ``True`` is not, although Python counts with it."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def single_operator(value: dict[str, Any], at: str, allowed: Collection[str]) -> tuple[str, Any]:
    """Name and argument of an object that must name exactly one of the allowed operators."""
    if len(value) != 1:
        raise InvalidPattern(at, f"one operator per object, not {len(value)}; list the objects side by side")
    name, argument = next(iter(value.items()))
    if name not in allowed:
        raise InvalidPattern(at, f"there is no operator {name!r} here; use {' or '.join(allowed)}")
    return name, argument


def _named(value: Any) -> str:
    names = {dict: "an object", list: "a list", bool: "a boolean", type(None): "null", str: "a string"}
    return names.get(type(value), "a number")
