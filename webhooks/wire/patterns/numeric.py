"""The operator ``numeric``: compare a number with one bound or with two. A string with digits is no number.

Integers of any length are compared exactly, fractions as doubles.
"""

import operator
from collections.abc import Callable
from typing import Any

from webhooks.wire.patterns.arguments import InvalidPattern, Predicate, is_number, require_number

_LOWER: dict[str, Callable[[Any, Any], bool]] = {">": operator.gt, ">=": operator.ge}
_UPPER: dict[str, Callable[[Any, Any], bool]] = {"<": operator.lt, "<=": operator.le}
COMPARATORS: dict[str, Callable[[Any, Any], bool]] = {"=": operator.eq, **_LOWER, **_UPPER}


def numeric(argument: Any, at: str) -> Predicate:
    """Compile ``{"numeric": [">", 0]}``, or a range with its lower end first: ``{"numeric": [">", 0, "<=", 5]}``."""
    match argument:
        case [str(comparator), bound] if comparator in COMPARATORS:
            compare, limit = COMPARATORS[comparator], require_number(bound, at)
            return lambda scalar: is_number(scalar) and compare(scalar, limit)
        case [str(lower), low, str(upper), high] if lower in _LOWER and upper in _UPPER:
            is_above, minimum = _LOWER[lower], require_number(low, at)
            is_below, maximum = _UPPER[upper], require_number(high, at)
            if minimum >= maximum:
                raise InvalidPattern(at, "the lower end of a range must be less than the upper end")
            return lambda scalar: is_number(scalar) and is_above(scalar, minimum) and is_below(scalar, maximum)
    raise InvalidPattern(at, 'write one comparison like [">", 5] or a range like [">", 0, "<=", 5]')
