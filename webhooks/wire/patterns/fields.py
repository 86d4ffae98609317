"""Compile the list that an event pattern has for one field. A value matches if it matches one entry."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from webhooks.wire.patterns.anything_but import anything_but
from webhooks.wire.patterns.arguments import InvalidPattern, Predicate, is_number, require_finite, single_operator
from webhooks.wire.patterns.cidr import cidr, equals_address, parse_address
from webhooks.wire.patterns.numeric import numeric
from webhooks.wire.patterns.strings import equals_ignore_case, exactly, prefix, suffix, wildcard

STAR_COST = 10  # comparisons that each `*` adds to the cost of an operator: it may search the whole string


@dataclass(frozen=True, slots=True)
class FieldMatcher:
    """Match the scalars of one field, by the compiled entries of its list."""

    values: tuple[Any, ...]
    """The list as written in the pattern."""
    strings: frozenset[str]
    numbers: frozenset[int | float]
    constants: frozenset[bool | None]
    predicates: tuple[Predicate, ...]
    """The operators, and the entries that are IP addresses, which match in any notation."""
    accepts_absent: bool
    """Whether an event without the field matches."""
    cost: int
    """The work of all operators on one scalar, in comparisons."""

    def predicate(self) -> Predicate:
        """Return a function that tells whether a scalar matches one entry.

        JSON types are distinguished: 300 equals 300.0, but true does not equal 1, and "5" does not equal 5.
        """
        strings, numbers, constants, predicates = self.strings, self.numbers, self.constants, self.predicates
        if not (numbers or constants or predicates):
            return strings.__contains__
        if len(predicates) == 1 and not (strings or numbers or constants):
            return predicates[0]

        def accepts(scalar: Any) -> bool:
            if isinstance(scalar, str):
                if scalar in strings:
                    return True
            elif scalar in (constants if scalar is None or isinstance(scalar, bool) else numbers):
                return True
            for predicate in predicates:  # noqa: SIM110 (any() takes twice the time)
                if predicate(scalar):
                    return True
            return False

        return accepts


def compile_field(values: list[Any], at: str) -> FieldMatcher:
    """Compile the list of one field; ``at`` is the JSON pointer to the list. Raises InvalidPattern."""
    if not values:
        raise InvalidPattern(at, "an empty list matches nothing; list at least one value")
    strings: set[str] = set()
    numbers: set[int | float] = set()
    constants: set[bool | None] = set()
    predicates: list[Predicate] = []
    for index, value in enumerate(values):
        if isinstance(value, str):
            strings.add(value)
            if (address := parse_address(value)) is not None:
                predicates.append(equals_address(address))
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
        predicates=tuple(predicates),
        accepts_absent=any(_is_exists_false(value) for value in values),
        cost=sum(1 + STAR_COST * json.dumps(value).count("*") for value in values if isinstance(value, dict)),
    )


def _operator(value: Any, at: str) -> Predicate:
    if not isinstance(value, dict):
        raise InvalidPattern(at, "list strings, numbers, true, false, null or operator objects")
    name, argument = single_operator(value, at, OPERATORS)
    return OPERATORS[name](argument, f"{at}/{name}")


def _is_exists_false(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and value.get("exists") is False


def _exists(argument: Any, at: str) -> Predicate:
    """Compile ``{"exists": true}``, which every value matches; ``compile_field`` handles ``{"exists": false}``."""
    if argument is not True:
        raise InvalidPattern(at, "takes true or false")
    return lambda _: True


OPERATORS: dict[str, Callable[[Any, str], Predicate]] = {
    "prefix": prefix,
    "suffix": suffix,
    "equals-ignore-case": equals_ignore_case,
    "wildcard": wildcard,
    "anything-but": anything_but,
    "numeric": numeric,
    "cidr": cidr,
    "exists": _exists,
    "exactly": exactly,
}
