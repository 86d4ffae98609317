"""Decode the primitive types of Avro; see ``avro``."""

import base64
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

MAX_EMPTY_ITEMS = 1000  # of arrays, beyond one for each byte of the data

_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")


class InvalidData(ValueError):
    """The bytes are not data of the schema."""


class Cursor:
    """A place in the data, and what may still be decoded."""

    __slots__ = ("at", "data", "depth", "items")

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at, self.depth, self.items = data, at, 0, len(data) + MAX_EMPTY_ITEMS


Decode = Callable[[Cursor], Any]


def nothing(_cursor: Cursor) -> None:
    """Return the only value of null."""
    return


def read_block(cursor: Cursor) -> int:
    """Return the number of items of the next block of an array or a map; 0 at its end."""
    count = read_long(cursor)
    if count < 0:
        count = -count
        read_long(cursor)  # the size of the block in bytes
    cursor.items -= count
    if cursor.items < 0:
        raise InvalidData("Has more items than bytes.")
    return count


def read_long(cursor: Cursor) -> int:
    """Read a number: zigzag, seven bits a byte."""
    data, at = cursor.data, cursor.at
    byte = data[at]
    value, shift = byte & 0x7F, 7
    while byte & 0x80:
        if shift > 63:
            raise InvalidData("Has a number of more than 64 bits.")
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
    cursor.at = at + 1
    return (value >> 1) ^ -(value & 1)


def read_bytes(cursor: Cursor) -> bytes:
    """Read bytes after their number."""
    return take(cursor, read_long(cursor))


def take(cursor: Cursor, size: int) -> bytes:
    """Take ``size`` bytes. Raises InvalidData."""
    start = cursor.at
    if size < 0 or start + size > len(cursor.data):
        raise InvalidData("Ends in the middle of a value.")
    cursor.at = start + size
    return cursor.data[start : cursor.at]


def read_string(cursor: Cursor) -> str:
    """Read a string."""
    return read_bytes(cursor).decode()


def read_boolean(cursor: Cursor) -> bool:
    """Read a boolean. Raises InvalidData."""
    byte = cursor.data[cursor.at]
    if byte > 1:
        raise InvalidData(f"Has a boolean of {byte}.")
    cursor.at += 1
    return byte == 1


def number(form: struct.Struct) -> Decode:
    """Return the decoder of numbers of this form."""

    def decode(cursor: Cursor) -> float | str:
        (value,) = form.unpack_from(cursor.data, cursor.at)
        cursor.at += form.size
        if math.isfinite(value):
            return float(value)
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"

    return decode


def as_base64(data: bytes) -> str:
    """Return bytes as text."""
    return base64.b64encode(data).decode()


def fixed(size: int) -> Decode:
    """Return the decoder of ``size`` bytes."""
    return lambda cursor: as_base64(take(cursor, size))


PRIMITIVES: Mapping[str, Decode] = {
    "null": nothing,
    "boolean": read_boolean,
    "int": read_long,
    "long": read_long,
    "float": number(_FLOAT),
    "double": number(_DOUBLE),
    "bytes": lambda cursor: as_base64(read_bytes(cursor)),
    "string": read_string,
}
