"""Compile the list that an event pattern has for one field. A value matches if it matches one entry."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from webhooks.wire.patterns.arguments import (
    InvalidPattern,
    Number,
    Predicate,
    is_number,
    require_finite,
    single_operator,
)
from webhooks.wire.patterns.operators.anything_but import anything_but, merge_alternatives
from webhooks.wire.patterns.operators.cidr import SameAddress, cidr, parse_address
from webhooks.wire.patterns.operators.constants import OneOfConstants, exists
from webhooks.wire.patterns.operators.numeric import OneOfNumbers, numeric
from webhooks.wire.patterns.operators.strings import OneOf, equals_ignore_case, exactly, prefix, suffix, wildcard

STAR_COST = 10  # comparisons that each `*` adds to the cost of an operator: it may search the whole string


@dataclass(frozen=True, slots=True)
class FieldMatcher:
    """The compiled entries of the list of one field. FieldLookup matches scalars with many of them at once.

    JSON types are distinguished: 300 equals 300.0, but true does not equal 1, and "5" does not equal 5.
    """

    values: tuple[Any, ...]
    """The list as written in the pattern."""
    strings: frozenset[str]
    numbers: frozenset[Number]
    constants: frozenset[bool | None]
    predicates: tuple[Predicate, ...]
    """The operators, and the entries that are IP addresses, which match in any notation."""
    accepts_absent: bool
    """Whether an event without the field matches."""
    cost: int
    """The work of all operators on one scalar, in comparisons."""

    @property
    def entries(self) -> tuple[Predicate, ...]:
        """Return all entries as predicates, of which one must accept a scalar."""
        exact = OneOf(self.strings), OneOfNumbers(self.numbers), OneOfConstants(self.constants)
        return *exact, *self.predicates


def compile_field(values: list[Any], at: str) -> FieldMatcher:
    """Compile the list of one field; ``at`` is the JSON pointer to the list. Raises InvalidPattern."""
    if not values:
        raise InvalidPattern(at, "an empty list matches nothing; list at least one value")
    strings: set[str] = set()
    numbers: set[Number] = set()
    constants: set[bool | None] = set()
    predicates: list[Predicate] = []
    for index, value in enumerate(values):
        if isinstance(value, str):
            strings.add(value)
            if (address := parse_address(value)) is not None:
                predicates.append(SameAddress(address))
        elif value is None or isinstance(value, bool):
            constants.add(value)
        elif is_number(value):
            numbers.add(require_finite(value, f"{at}/{index}"))
        elif not _is_exists_false(value):
            predicates.append(_operator(value, f"{at}/{index}"))
    return FieldMatcher(
        values=tuple(values),
        strings=frozenset(strings),
        numbers=frozenset(numbers),
        constants=frozenset(constants),
        predicates=tuple(merge_alternatives(predicates)),
        accepts_absent=any(_is_exists_false(value) for value in values),
        cost=sum(map(_cost, values)),
    )


def _cost(value: Any) -> int:
    """Return the work of an operator on one scalar, in comparisons; 0 for an exact value."""
    if not isinstance(value, dict):
        return 0
    has_stars = not value.keys().isdisjoint(("wildcard", "anything-but"))
    return 1 + (STAR_COST * json.dumps(value, default=str).count("*") if has_stars else 0)


def _operator(value: Any, at: str) -> Predicate:
    if not isinstance(value, dict):
        raise InvalidPattern(at, "list strings, numbers, true, false, null or operator objects")
    name, argument = single_operator(value, at, OPERATORS)
    return OPERATORS[name](argument, f"{at}/{name}")


def _is_exists_false(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and value.get("exists") is False


OPERATORS: dict[str, Callable[[Any, str], Predicate]] = {
    "prefix": prefix,
    "suffix": suffix,
    "equals-ignore-case": equals_ignore_case,
    "wildcard": wildcard,
    "anything-but": anything_but,
    "numeric": numeric,
    "cidr": cidr,
    "exists": exists,
    "exactly": exactly,
}
