"""Compile the list of one field. One accepted entry is enough."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from webhooks.wire.patterns.anything_but import anything_but
from webhooks.wire.patterns.arguments import InvalidPattern, Predicate, is_number, require_finite, single_operator
from webhooks.wire.patterns.cidr import cidr, equals_address, parse_address
from webhooks.wire.patterns.numeric import numeric
from webhooks.wire.patterns.strings import equals_ignore_case, exactly, prefix, suffix, wildcard

STAR_COST = 10  # comparisons: a star may search the whole string, other operators read it once or only a part of it


@dataclass(frozen=True, slots=True)
class FieldMatcher:
    """The scalars that one field accepts."""

    values: tuple[Any, ...]
    """The list as written in the pattern."""
    strings: frozenset[str]
    numbers: frozenset[int | float]
    constants: frozenset[bool | None]
    tests: tuple[Predicate, ...]
    absent: bool
    """The field may be absent."""
    cost: int
    """The work of all operators, in comparisons."""

    def predicate(self) -> Predicate:
        """Return the test for being accepted, by value: 300 is 300.0, true is not 1, "5" is not 5."""
        strings, numbers, constants, tests = self.strings, self.numbers, self.constants, self.tests
        if not (numbers or constants or tests):
            return strings.__contains__
        if len(tests) == 1 and not (strings or numbers or constants):
            return tests[0]

        def accepts(scalar: Any) -> bool:
            if isinstance(scalar, str):
                if scalar in strings:
                    return True
            elif scalar in (constants if scalar is None or isinstance(scalar, bool) else numbers):
                return True
            for test in tests:  # noqa: SIM110 (any() takes twice the time)
                if test(scalar):
                    return True
            return False

        return accepts


def compile_field(values: list[Any], at: str) -> FieldMatcher:
    """Compile the list of one field; ``at`` is its JSON pointer. Raises InvalidPattern."""
    if not values:
        raise InvalidPattern(at, "an empty list accepts nothing; list at least one value")
    strings: set[str] = set()
    numbers: set[int | float] = set()
    constants: set[bool | None] = set()
    tests: list[Predicate] = []
    for index, value in enumerate(values):
        if isinstance(value, str):
            strings.add(value)
            if (address := parse_address(value)) is not None:
                tests.append(equals_address(address))
        elif value is None or isinstance(value, bool):
            constants.add(value)
        elif is_number(value):
            numbers.add(require_finite(value, f"{at}/{index}"))
        elif not _is_absence(value):
            tests.append(_operator(value, f"{at}/{index}"))
    return FieldMatcher(
        values=tuple(values),
        strings=frozenset(strings),
        numbers=frozenset(numbers),
        constants=frozenset(constants),
        tests=tuple(tests),
        absent=any(_is_absence(value) for value in values),
        cost=sum(1 + STAR_COST * json.dumps(value).count("*") for value in values if isinstance(value, dict)),
    )


def _operator(value: Any, at: str) -> Predicate:
    if not isinstance(value, dict):
        raise InvalidPattern(at, "list strings, numbers, true, false, null or operator objects")
    name, argument = single_operator(value, at, OPERATORS)
    return OPERATORS[name](argument, f"{at}/{name}")


def _is_absence(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and value.get("exists") is False


def _exists(argument: Any, at: str) -> Predicate:
    """Compile ``{"exists": true}``. ``{"exists": false}`` tests no value: it sets ``FieldMatcher.absent``."""
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
