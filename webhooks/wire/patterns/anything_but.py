"""The operator ``anything-but``: every value that exists, of any type, except those that it names.

So null and 5 match ``{"anything-but": "banned"}``; a missing field has no value and does not match.
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


def anything_but(argument: Any, at: str) -> Predicate:
    """Compile ``{"anything-but": X}``: X is a string, a number, a list of one type, or one operator for strings."""
    if isinstance(argument, dict):
        name, values = single_operator(argument, at, _OPERATORS)
        excluded = _any_of(_OPERATORS[name], _as_list(values), f"{at}/{name}")
    else:
        excluded = _one_of_scalars(_as_list(argument), at)
    return lambda scalar: not excluded(scalar)


def _any_of(make: Callable[[Any, str], Predicate], values: list[Any], at: str) -> Predicate:
    if not values:
        raise InvalidPattern(at, "the list must not be empty; name what to exclude")
    predicates = tuple(make(require_string(value, at), at) for value in values)
    return predicates[0] if len(predicates) == 1 else lambda scalar: any(test(scalar) for test in predicates)


def _one_of_scalars(values: list[Any], at: str) -> Predicate:
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
            raise InvalidPattern(at, "must not be the empty string, which would exclude every string")
        return make(argument, at)

    return checked


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_OPERATORS: dict[str, Callable[[Any, str], Predicate]] = {
    "prefix": _not_empty(prefix),
    "suffix": _not_empty(suffix),
    "equals-ignore-case": equals_ignore_case,
    "wildcard": wildcard,
}
