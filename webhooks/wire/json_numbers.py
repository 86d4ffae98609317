"""Keep JSON numbers as they are written, and compare them by their exact value.

A float of Python has 53 bits: 18446744073709551617 and 0.1000000000000000055 are not in it, and it does not know
whether it was written as 1.10, 1.1 or 11e-1. So what Python would write in another way than it was written is kept as a
``JsonNumber``; all other numbers are ints and floats, which are faster.
"""

import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

LONGEST_INTEGER = 19  # characters of an integer that is certainly within 64 bits, its sign included
_MIN, _MAX = -(2**63), 2**64 - 1  # integers that every library reads and writes
_ONE_DIGIT = bytes.maketrans(b"123456789E", b"000000000e")
_EIGHTEEN_DIGITS = b"0" * 18
_EXPONENT = re.compile(rb"[0-9][eE][+-]?[0-9]+(?![0-9A-Za-z\"_-])")


class JsonNumber(Decimal):
    """A number with its JSON text. It equals, and hashes as, other numbers of the same exact value."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "JsonNumber":
        """Make a number of JSON text. Raises ValueError for an exponent beyond those of Decimal."""
        try:
            number = super().__new__(cls, text)
        except InvalidOperation:
            raise ValueError(f"{text[:40]} is beyond the range of numbers") from None
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Any, ...]:
        return JsonNumber, (self.text,)


def may_be_rewritten(data: bytes, parsed: Any) -> bool:
    """Return whether Python may write a number of this JSON text in another way; ``parsed``: what orjson made of it.

    True for some texts with such characters in strings. Exponents have several spellings; other numbers are those of
    the text if the whole is.
    """
    alike = data.translate(_ONE_DIGIT)  # searched for bytes: a pattern would take ten times as long
    if not (b"0." in alike or b"0e" in alike or _EIGHTEEN_DIGITS in alike or b"-0" in data):
        return False
    return _EXPONENT.search(data) is not None or orjson.dumps(parsed) != data


def fraction(text: str) -> float | JsonNumber:
    """Return the number of a token with a fraction or an exponent: for ``parse_float`` of the json module."""
    number = float(text)
    return number if repr(number) == text else JsonNumber(text)


def integer(text: str) -> int | JsonNumber:
    """Return the number of a token with digits only: for ``parse_int`` of the json module."""
    if len(text) < LONGEST_INTEGER and text != "-0":
        return int(text)
    number = JsonNumber(text)
    return int(text) if _MIN <= number <= _MAX and text != "-0" else number


def exact(number: float | Decimal) -> int | float | Decimal:
    """Return a number that compares and hashes by the exact decimal value that was written."""
    return Decimal(repr(number)) if isinstance(number, float) and math.isfinite(number) else number


def raw(value: object) -> orjson.Fragment:
    """Return a JsonNumber as its text: for ``default`` of orjson. Raises TypeError for anything else."""
    if isinstance(value, JsonNumber):
        return orjson.Fragment(value.text)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def plain(value: Any) -> Any:
    """Return a JSON value with each JsonNumber replaced by the int or float that json.loads makes of its text.

    Raises ValueError for an integer of more than 64 bits.
    """
    if isinstance(value, dict):
        return {name: plain(it) for name, it in value.items()}
    if isinstance(value, list):
        return [plain(it) for it in value]
    if not isinstance(value, JsonNumber):
        return value
    if not value.text.lstrip("-").isdigit():
        return float(value.text)
    if not _MIN <= value <= _MAX:
        raise ValueError("an integer of more than 64 bits")
    return int(value.text)


def has_large_float(value: Any) -> bool:
    """Return whether a JSON value has a float beyond 64 bits, which jsonb returns as an integer with all its digits."""
    if isinstance(value, float):
        return not _MIN <= value <= _MAX
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(has_large_float, inner))


def stored_json(value: Any, *, sort_keys: bool = False) -> bytes:
    """Return a value that was read from jsonb as JSON.

    jsonb returns a large float, such as 1e300, as an integer with all its digits, which orjson does not write.
    """
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS if sort_keys else 0)
    except orjson.JSONEncodeError:
        return json.dumps(value, default=str, ensure_ascii=False, sort_keys=sort_keys).encode()


def find_changed_by_doubles(value: Any) -> JsonNumber | None:
    """Return a fraction of a JSON value that has more digits than a double keeps, or None."""
    if isinstance(value, JsonNumber):
        is_fraction = not value.text.lstrip("-").isdigit()
        return value if is_fraction and exact(float(value.text)) != value else None
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for it in inner if (found := find_changed_by_doubles(it)) is not None), None)


def with_decimals(value: Any) -> Any:
    """Return a JSON value with each JsonNumber replaced by a Decimal, as libraries read them."""
    if isinstance(value, dict):
        return {name: with_decimals(it) for name, it in value.items()}
    if isinstance(value, list):
        return [with_decimals(it) for it in value]
    return Decimal(value) if isinstance(value, JsonNumber) else value
