"""Check the arguments of operators, and define InvalidPattern, the error of every invalid pattern."""

import math
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Any

from webhooks.wire.json_numbers import exact

Number = int | float | Decimal

Predicate = Callable[[Any], bool]
"""A test of one scalar of an event: a string, number, boolean or null. It never raises."""


class InvalidPattern(ValueError):
    """An event pattern is invalid.

    ``path`` is a JSON pointer (RFC 6901) to the invalid part, "" for the whole pattern; ``reason`` says what is wrong
    there and what to write instead.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path or 'the pattern'}: {reason}")
        self.path = path
        self.reason = reason


def require_string(value: Any, at: str) -> str:
    """Return the value if it is a string. Raises InvalidPattern."""
    if not isinstance(value, str):
        raise InvalidPattern(at, f"takes a string, not {_type_name(value)}")
    return value


def require_number(value: Any, at: str) -> Number:
    """Return the exact value if it is a number within the range of a double. Raises InvalidPattern."""
    if not is_number(value):
        raise InvalidPattern(at, f"takes a number, not {_type_name(value)}")
    return require_finite(value, at)


def require_finite(value: Number, at: str) -> Number:
    """Return the exact number if it is within the range of a double (IEEE 754 binary64). Raises InvalidPattern."""
    try:
        is_finite = math.isfinite(value)
    except OverflowError:
        is_finite = False
    if not is_finite:
        raise InvalidPattern(at, "the number must be within the range of a double")
    return exact(value)


def is_number(value: Any) -> bool:
    """Return whether this is a JSON number. ``True`` is none, although it is an int in Python."""
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def single_operator(value: dict[str, Any], at: str, allowed: Collection[str]) -> tuple[str, Any]:
    """Return the name and the argument of the one operator in an object. Raises InvalidPattern."""
    if len(value) != 1:
        raise InvalidPattern(at, f"one operator per object, not {len(value)}; write one object for each operator")
    name, argument = next(iter(value.items()))
    if name not in allowed:
        raise InvalidPattern(at, f"there is no operator {name!r} here; use {' or '.join(allowed)}")
    return name, argument


def _type_name(value: Any) -> str:
    names = {dict: "an object", list: "an array", bool: "a boolean", type(None): "null", str: "a string"}
    return names.get(type(value), "a number")
