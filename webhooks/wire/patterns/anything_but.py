"""``anything-but`` takes every value that is there, of whatever type, except those it names.

Null is not "banned" and neither is 5, so both pass; a missing field has no value and does not.
"""

from collections.abc import Callable
from typing import Any

from webhooks.wire.patterns.arguments import (
    InvalidPattern,
    Predicate,
    is_number,
    require_finite,
    require_string,
    single_operator,
)
from webhooks.wire.patterns.strings import equals_ignore_case, one_of, prefix, suffix, wildcard

__all__ = ["anything_but"]


def anything_but(argument: Any, at: str) -> Predicate:
    """``{"anything-but": X}``: X is a string, a number, a list of one kind, or one operator over strings."""
    if isinstance(argument, dict):
        name, values = single_operator(argument, at, _OPERATORS)
        refused = _any_of(_OPERATORS[name], _listed(values), f"{at}/{name}")
    else:
        refused = _scalars(_listed(argument), at)
    return lambda scalar: not refused(scalar)


def _any_of(make: Callable[[Any, str], Predicate], values: list[Any], at: str) -> Predicate:
    if not values:
        raise InvalidPattern(at, "an empty list excludes nothing; name what to exclude")
    tests = tuple(make(require_string(value, at), at) for value in values)
    return tests[0] if len(tests) == 1 else lambda scalar: any(test(scalar) for test in tests)


def _scalars(values: list[Any], at: str) -> Predicate:
    if values and all(isinstance(value, str) for value in values):
        return one_of(set(values))
    if values and all(is_number(value) for value in values):
        numbers = frozenset(require_finite(value, at) for value in values)
        return lambda scalar: is_number(scalar) and scalar in numbers
    raise InvalidPattern(
        at, "takes one string or number, a list of only strings or of only numbers, or one operator object"
    )


def _not_empty(make: Callable[[Any, str], Predicate]) -> Callable[[Any, str], Predicate]:
    def checked(argument: Any, at: str) -> Predicate:
        if argument == "":
            raise InvalidPattern(at, "every string begins and ends with the empty string; name a longer one")
        return make(argument, at)

    return checked


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_OPERATORS: dict[str, Callable[[Any, str], Predicate]] = {
    "prefix": _not_empty(prefix),
    "suffix": _not_empty(suffix),
    "equals-ignore-case": equals_ignore_case,
    "wildcard": wildcard,
}
