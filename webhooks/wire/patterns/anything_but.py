"""``anything-but`` takes every value that is there, of whatever type, except those it names.

Null is not "banned" and neither is 5, so both pass; a missing field has no value and does not.
"""

from collections.abc import Callable
from typing import Any

from webhooks.wire.patterns.arguments import InvalidPattern, Test, finite, is_number, only_member, string
from webhooks.wire.patterns.strings import equals_ignore_case, one_of, prefix, suffix, wildcard

__all__ = ["anything_but"]


def anything_but(argument: Any, at: str) -> Test:
    """``{"anything-but": X}``: X is a string, a number, a list of one kind, or one operator over strings."""
    if isinstance(argument, dict):
        name, values = only_member(argument, at, _OPERATORS)
        refused = _any_of(_OPERATORS[name], _listed(values), f"{at}/{name}")
    else:
        refused = _scalars(_listed(argument), at)
    return lambda scalar: not refused(scalar)


def _any_of(make: Callable[[Any, str], Test], values: list[Any], at: str) -> Test:
    if not values:
        raise InvalidPattern(at, "an empty list excludes nothing; name what to exclude")
    tests = tuple(make(string(value, at), at) for value in values)
    return tests[0] if len(tests) == 1 else lambda scalar: any(test(scalar) for test in tests)


def _scalars(values: list[Any], at: str) -> Test:
    if values and all(isinstance(value, str) for value in values):
        return one_of(set(values))
    if values and all(is_number(value) for value in values):
        numbers = frozenset(finite(value, at) for value in values)
        return lambda scalar: is_number(scalar) and scalar in numbers
    raise InvalidPattern(
        at, "takes one string or number, a list of only strings or of only numbers, or one operator object"
    )


def _not_empty(make: Callable[[Any, str], Test]) -> Callable[[Any, str], Test]:
    def checked(argument: Any, at: str) -> Test:
        if argument == "":
            raise InvalidPattern(at, "every string begins and ends with the empty string; name a longer one")
        return make(argument, at)

    return checked


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_OPERATORS: dict[str, Callable[[Any, str], Test]] = {
    "prefix": _not_empty(prefix),
    "suffix": _not_empty(suffix),
    "equals-ignore-case": equals_ignore_case,
    "wildcard": wildcard,
}
