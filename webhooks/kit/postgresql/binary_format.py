"""Write parameters in PostgreSQL's binary format, by the type that the server gives each of them.

Psycopg finds a dumper for each value, and for each element of a list, in Python; for the parameters of one event that
took five times as long as here. What has no encoder, or a value of another type, is left to psycopg.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, date, datetime
from struct import Struct
from typing import Any
from uuid import UUID

Encoder = Callable[[Any], bytes]
NO_ENCODING = (TypeError, ValueError, AttributeError, ArithmeticError)  # what an encoder raises for an unfit value

MOMENT_ZERO, DAY_ZERO = datetime(2000, 1, 1, tzinfo=UTC), date(2000, 1, 1).toordinal()
SECONDS_PER_DAY, MICROSECONDS = 86_400, 1_000_000
NULL = b"\xff\xff\xff\xff"
INT2, INT4, INT8, FLOAT4, FLOAT8 = Struct("!h"), Struct("!i"), Struct("!q"), Struct("!f"), Struct("!d")
LENGTH, NO_ELEMENTS, ARRAY_HEAD = INT4, Struct("!3i"), Struct("!5i")


def _number(layout: Struct) -> Encoder:
    def encode(value: Any) -> bytes:
        try:
            return layout.pack(value)
        except Exception as error:
            raise ValueError(str(error)) from None  # struct.error is none of the builtin ones

    return encode


def _bool(value: Any) -> bytes:
    if value is None:
        raise TypeError("not a boolean")
    return b"\x01" if value else b"\x00"


def _text(value: Any) -> bytes:
    encoded: bytes = value.encode()
    return encoded


def _bytes(value: Any) -> bytes:
    if isinstance(value, int):  # bytes(5) would be five zeros
        raise TypeError("not bytes")
    return bytes(value)


def _jsonb(value: Any) -> bytes:
    return b"\x01" + _text(value)  # the version of the format


def _uuid(value: Any) -> bytes:
    number: int = (value if isinstance(value, UUID) else UUID(value)).int
    return number.to_bytes(16, "big")


def _moment(value: Any) -> bytes:
    since = value - MOMENT_ZERO
    return INT8.pack((since.days * SECONDS_PER_DAY + since.seconds) * MICROSECONDS + since.microseconds)


def _day(value: Any) -> bytes:
    return INT4.pack(value.toordinal() - DAY_ZERO)


def _array(element: int, encode: Encoder, size: int) -> Encoder:
    """Return the encoder of one-dimensional arrays of elements of this type (its OID).

    ``size``: bytes of each element; 0: they differ.
    """
    length = LENGTH.pack(size)

    def encode_array(values: Iterable[Any]) -> bytes:
        if not isinstance(values, list | tuple):
            raise TypeError("not a list")
        if not values:
            return NO_ELEMENTS.pack(0, 0, element)
        if size:
            with suppress(*NO_ENCODING):  # there is a None among them
                head = ARRAY_HEAD.pack(1, False, element, len(values), 1)
                return length.join([head, *[encode(value) for value in values]])
        encoded = [None if value is None else encode(value) for value in values]
        head = ARRAY_HEAD.pack(1, None in encoded, element, len(values), 1)
        return head + b"".join([NULL if it is None else LENGTH.pack(len(it)) + it for it in encoded])

    return encode_array


# Type: its OID, that of its arrays, its encoder, and its size in bytes if it has one (pg_type.dat).
_TYPES: list[tuple[int, int, Encoder, int]] = [
    (16, 1000, _bool, 1),
    (17, 1001, _bytes, 0),
    (20, 1016, _number(INT8), 8),
    (21, 1005, _number(INT2), 2),
    (23, 1007, _number(INT4), 4),
    (25, 1009, _text, 0),
    (114, 199, _text, 0),  # json
    (700, 1021, _number(FLOAT4), 4),
    (701, 1022, _number(FLOAT8), 8),
    (1043, 1015, _text, 0),  # varchar
    (1082, 1182, _day, 4),
    (1184, 1185, _moment, 8),  # timestamptz
    (2950, 2951, _uuid, 16),
    (3802, 3807, _jsonb, 0),
]
ENCODERS: dict[int, Encoder] = {oid: encode for oid, _, encode, _ in _TYPES} | {
    array: _array(oid, encode, size) for oid, array, encode, size in _TYPES
}
_KNOWN = {bool: 16, bytes: 17, float: 701, datetime: 1184, UUID: 2950}


def known_type(value: Any) -> int:
    """Return the type (OID) of a value that needs no context to be told, else 0: the server infers it."""
    return _KNOWN.get(type(value), 0)
