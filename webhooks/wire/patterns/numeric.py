"""``numeric`` compares by value with one bound or with two; text that looks like a number is no number.

Whole numbers are compared exactly, however long; fractions as the doubles that JSON parsers make of them.
"""

import operator
from collections.abc import Callable
from typing import Any

from webhooks.wire.patterns.arguments import InvalidPattern, Predicate, is_number, require_number

__all__ = ["COMPARATORS", "numeric"]

_LOWER: dict[str, Callable[[Any, Any], bool]] = {">": operator.gt, ">=": operator.ge}
_UPPER: dict[str, Callable[[Any, Any], bool]] = {"<": operator.lt, "<=": operator.le}
COMPARATORS: dict[str, Callable[[Any, Any], bool]] = {"=": operator.eq, **_LOWER, **_UPPER}


def numeric(argument: Any, at: str) -> Predicate:
    """``{"numeric": [">", 0]}`` or a range, its lower end first: ``{"numeric": [">", 0, "<=", 5]}``."""
    match argument:
        case [str(comparator), bound] if comparator in COMPARATORS:
            compare, limit = COMPARATORS[comparator], require_number(bound, at)
            return lambda scalar: is_number(scalar) and compare(scalar, limit)
        case [str(lower), low, str(upper), high] if lower in _LOWER and upper in _UPPER:
            above, floor = _LOWER[lower], require_number(low, at)
            below, ceiling = _UPPER[upper], require_number(high, at)
            if floor >= ceiling:
                raise InvalidPattern(at, "the lower end of a range must be less than the upper end")
            return lambda scalar: is_number(scalar) and above(scalar, floor) and below(scalar, ceiling)
    raise InvalidPattern(at, 'write one comparison like [">", 5] or a range like [">", 0, "<=", 5]')
