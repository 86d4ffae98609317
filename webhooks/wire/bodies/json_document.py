"""Parse a whole JSON body as senders write it: more leniently than JSON allows, and without rounding integers.

orjson is fast and strict, and reads integers beyond 64 bits as fractions. What it does not read, or not exactly, is
parsed by the standard library: text with a byte order mark or in UTF-16, NaN and Infinity, unpaired surrogates (each is
read as U+FFFD), long integers.

``parse_leniently`` and ``json_selection`` read the same values from the same text, and refuse the same texts, whatever
their size: of repeated names the last counts, and there are limits on depth, digits and exponents.
"""

import json
import re
from decimal import Decimal
from typing import Any

import orjson

from webhooks.wire.bodies.charset import text_of
from webhooks.wire.bodies.surrogates import paired
from webhooks.wire.errors import UnreadableBody
from webhooks.wire.json_numbers import fraction, integer
from webhooks.wire.json_text import nests_deeper

MAX_DEPTH = 500  # levels of nesting; far below the recursion limit of Python

_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_ALIKE = bytes.maketrans(b"123456789.E-", b"0000000000e+")
_ROUNDED = (b"0" * 16, b"0e000", b"0e+000", b"\0")  # the last: UTF-16
_UNREADABLE = (b"0" * 4301, b"0e" + b"0" * 18, b"0e+" + b"0" * 18)  # beyond the limits of int and of Decimal


def parse_json(body: bytes, content_type: str = "") -> Any:
    """Parse JSON; fractions are floats, NaN and Infinity too. Raises UnreadableBody."""
    if not has_long_numbers(body):
        try:
            return orjson.loads(body)
        except ValueError:
            pass
    return _parse(body, content_type)


def has_long_numbers(body: bytes) -> bool:
    """Return whether a JSON text may have integers that orjson would round."""
    return _LONG_NUMBER.search(body) is not None


def may_be_rounded(body: bytes) -> bool:
    """Return whether a JSON text may have numbers that a double does not hold as they are written."""
    alike = body.translate(_ALIKE)  # searched for bytes: a pattern takes many times as long
    return any(text in alike for text in _ROUNDED)


def parse_exactly(body: bytes, content_type: str = "") -> Any:
    """Parse JSON with fractions as Decimal, and NaN and Infinity as None. Raises UnreadableBody."""
    return _parse(body, content_type, parse_float=Decimal, parse_constant=lambda _: None)


def parse_as_written(body: bytes, content_type: str = "") -> Any:
    """Parse JSON; a number that Python would write in another way is a JsonNumber, NaN and Infinity are None.

    Raises UnreadableBody.
    """
    return _parse(body, content_type, parse_float=fraction, parse_int=integer, parse_constant=lambda _: None)


def parse_leniently(body: bytes, content_type: str = "") -> Any:
    """Parse JSON with NaN and Infinity as None, which patterns can match. Raises UnreadableBody."""
    try:
        value = orjson.loads(body)
    except ValueError:
        return _parse_within_limits(body, content_type)
    alike = body.translate(_ALIKE)
    if any(text in alike for text in _UNREADABLE):
        return _parse_within_limits(body, content_type)
    if nests_deeper(body, MAX_DEPTH):
        raise UnreadableBody(f"is nested more than {MAX_DEPTH} levels deep")
    return value


def _parse_within_limits(body: bytes, content_type: str) -> Any:
    return _parse(body, content_type, parse_float=_float, parse_constant=lambda _: None)


def _float(text: str) -> float:
    """Return the value of a fraction. Raises ArithmeticError for an exponent beyond those of Decimal."""
    Decimal(text)
    return float(text)


def _parse(body: bytes, content_type: str, **how: Any) -> Any:
    text = paired(text_of(body, content_type))
    if nests_deeper(text.encode(), MAX_DEPTH):
        raise UnreadableBody(f"is nested more than {MAX_DEPTH} levels deep")
    try:
        return json.loads(text, **how)
    except RecursionError:
        raise UnreadableBody("is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise UnreadableBody(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (ValueError, ArithmeticError):
        raise UnreadableBody("has a number that is too long") from None
