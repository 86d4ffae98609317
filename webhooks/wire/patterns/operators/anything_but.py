"""Compile the operator ``anything-but``: every value that exists, of any type, except those that it names.

So null and 5 match ``{"anything-but": "banned"}``; a missing field has no value and does not match.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from webhooks.wire.patterns.arguments import (
    InvalidPattern,
    Predicate,
    is_number,
    require_finite,
    require_string,
    single_operator,
)
from webhooks.wire.patterns.operators.numeric import OneOfNumbers
from webhooks.wire.patterns.operators.strings import OneOf, equals_ignore_case, prefix, suffix, wildcard


@dataclass(frozen=True, slots=True)
class AnythingBut:
    """Accept every scalar that none of these predicates accepts."""

    excluded: tuple[Predicate, ...]

    def __call__(self, scalar: Any) -> bool:
        """Return whether no predicate accepts the scalar."""
        return not any(test(scalar) for test in self.excluded)


def anything_but(argument: Any, at: str) -> Predicate:
    """Compile ``{"anything-but": X}``: X is a string, a number, a list of one type, or one operator for strings."""
    if isinstance(argument, dict):
        name, values = single_operator(argument, at, _OPERATORS)
        return AnythingBut(_all_of(_OPERATORS[name], _as_list(values), f"{at}/{name}"))
    return AnythingBut((_one_of_scalars(_as_list(argument), at),))


def merge_alternatives(predicates: Iterable[Predicate]) -> list[Predicate]:
    """Replace all ``anything-but`` with exact values by one: a list accepts what is not excluded by each of them."""
    others: list[Predicate] = []
    exclusions: list[frozenset[Any]] = []
    for it in predicates:
        match it:
            case AnythingBut((OneOf(values) | OneOfNumbers(values),)):
                exclusions.append(values)
            case _:
                others.append(it)
    if not exclusions:
        return others
    common = frozenset.intersection(*exclusions)
    is_text = any(isinstance(value, str) for value in common)
    return [*others, AnythingBut((OneOf(common) if is_text else OneOfNumbers(common),))]


def _all_of(make: Callable[[Any, str], Predicate], values: list[Any], at: str) -> tuple[Predicate, ...]:
    if not values:
        raise InvalidPattern(at, "the array must not be empty; name what to exclude")
    return tuple(make(require_string(value, at), at) for value in values)


def _one_of_scalars(values: list[Any], at: str) -> Predicate:
    if values and all(isinstance(value, str) for value in values):
        return OneOf(frozenset(values))
    if values and all(is_number(value) for value in values):
        return OneOfNumbers(frozenset(require_finite(value, at) for value in values))
    raise InvalidPattern(
        at, "takes one string or number, an array of only strings or of only numbers, or one operator object"
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
