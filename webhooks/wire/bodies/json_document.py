"""Parse a whole JSON body as senders write it: more leniently than JSON allows, and without rounding integers.

orjson is fast and strict, and reads integers beyond 64 bits as fractions. What it does not read, or not exactly, is
parsed by the standard library: text with a byte order mark or in UTF-16, NaN and Infinity, unpaired surrogates (each is
read as U+FFFD, since no database stores one), long integers.
"""

import json
import re
from decimal import Decimal
from typing import Any

import orjson

from webhooks.wire.bodies.charset import text_of
from webhooks.wire.errors import UnreadableBody

_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_ALIKE = bytes.maketrans(b"123456789.E-", b"0000000000e+")
_ROUNDED = (b"0" * 16, b"0e000", b"0e+000", b"\0")  # the last: UTF-16
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(body: bytes, content_type: str = "") -> Any:
    """Parse JSON; fractions are floats, NaN and Infinity too. Raises UnreadableBody."""
    if not has_long_numbers(body):
        try:
            return orjson.loads(body)
        except ValueError:
            pass
    return _parse(body, content_type)


def has_long_numbers(body: bytes) -> bool:
    """Tell whether a JSON text may have integers that orjson would round."""
    return _LONG_NUMBER.search(body) is not None


def may_be_rounded(body: bytes) -> bool:
    """Tell whether a JSON text may have numbers that a double does not hold as they are written."""
    alike = body.translate(_ALIKE)  # searched for bytes: a pattern takes many times as long
    return any(text in alike for text in _ROUNDED)


def parse_exactly(body: bytes, content_type: str = "") -> Any:
    """Parse JSON with fractions as Decimal, and NaN and Infinity as None. Raises UnreadableBody."""
    return _parse(body, content_type, parse_float=Decimal, parse_constant=lambda _: None)


def parse_leniently(body: bytes, content_type: str = "") -> Any:
    """Parse JSON with NaN and Infinity as None, which patterns can match. Raises UnreadableBody."""
    return _parse(body, content_type, parse_constant=lambda _: None)


def _parse(body: bytes, content_type: str, **how: Any) -> Any:
    text = text_of(body, content_type)
    try:
        value = json.loads(text, **how)
    except RecursionError:
        raise UnreadableBody("is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise UnreadableBody(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (ValueError, ArithmeticError):
        raise UnreadableBody("has a number that is too long") from None
    return _well_formed(value) if _SURROGATE.search(text) else value


def _well_formed(value: Any) -> Any:
    """Replace unpaired surrogates in all strings."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_well_formed(element) for element in value]
    if isinstance(value, dict):
        return {_well_formed(name): _well_formed(inner) for name, inner in value.items()}
    return value
