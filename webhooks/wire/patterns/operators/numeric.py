"""Compile the operator ``numeric``: a number within one bound or two. A string with digits is no number.

Numbers of any length are compared exactly, by the decimal value that was written.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from webhooks.wire.json_numbers import exact
from webhooks.wire.patterns.arguments import InvalidPattern, Number, Predicate, is_number, require_number

_LOWER: Collection[str] = (">", ">=")
_UPPER: Collection[str] = ("<", "<=")
COMPARATORS: Collection[str] = ("=", *_LOWER, *_UPPER)


@dataclass(frozen=True, slots=True)
class OneOfNumbers:
    """Accept these numbers."""

    numbers: frozenset[Number]

    def __call__(self, scalar: Any) -> bool:
        """Return whether the scalar is one of the numbers."""
        return is_number(scalar) and exact(scalar) in self.numbers


@dataclass(frozen=True, slots=True)
class Range:
    """Accept numbers between two bounds; None is no bound. The flags tell whether a bound belongs to the range."""

    low: Number | None
    has_low: bool
    high: Number | None
    has_high: bool

    def __call__(self, scalar: Any) -> bool:
        """Return whether the scalar is a number in the range."""
        if not is_number(scalar):
            return False
        number = exact(scalar)
        is_above = self.low is None or number > self.low or (self.has_low and number == self.low)
        is_below = self.high is None or number < self.high or (self.has_high and number == self.high)
        return is_above and is_below


def numeric(argument: Any, at: str) -> Predicate:
    """Compile ``{"numeric": [">", 0]}``, or a range with its lower end first: ``{"numeric": [">", 0, "<=", 5]}``."""
    match argument:
        case ["=", bound]:
            return OneOfNumbers(frozenset({require_number(bound, at)}))
        case [str(lower), bound] if lower in _LOWER:
            return Range(require_number(bound, at), lower == ">=", None, has_high=False)
        case [str(upper), bound] if upper in _UPPER:
            return Range(None, False, require_number(bound, at), upper == "<=")
        case [str(lower), low, str(upper), high] if lower in _LOWER and upper in _UPPER:
            minimum, maximum = require_number(low, at), require_number(high, at)
            if minimum >= maximum:
                raise InvalidPattern(at, "the lower end of a range must be less than the upper end")
            return Range(minimum, lower == ">=", maximum, upper == "<=")
    raise InvalidPattern(at, 'write one comparison like [">", 5] or a range like [">", 0, "<=", 5]')
