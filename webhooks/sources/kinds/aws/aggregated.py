"""Read records of the Kinesis Producer Library, which puts several user records into one record.

https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md: four bytes, a Protobuf message and
its MD5. A record that has the beginning and not the checksum is a record like any other, as for Amazon's own library.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

_MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST = 16  # bytes
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of Protobuf


class UserRecord(NamedTuple):
    """A record as its producer made it."""

    partition_key: str
    data: bytes


def user_records(data: bytes) -> list[UserRecord] | None:
    """Return the user records in a record, in order; None if it is not an aggregated one."""
    if not data.startswith(_MAGIC) or len(data) < len(_MAGIC) + _DIGEST:
        return None
    message = data[len(_MAGIC) : -_DIGEST]
    if hashlib.md5(message, usedforsecurity=False).digest() != data[-_DIGEST:]:
        return None
    try:
        return _read(message)
    except (ValueError, IndexError):
        return None


def _read(message: bytes) -> list[UserRecord]:
    """Return the records of the message AggregatedRecord. Raises ValueError, IndexError."""
    keys: list[str] = []
    records: list[UserRecord] = []
    for number, value in _fields(message):
        if number == 1 and isinstance(value, bytes):
            keys.append(value.decode("utf-8", "replace"))
        elif number == 3 and isinstance(value, bytes):
            fields = dict(_fields(value))
            index, data = fields.get(1, 0), fields.get(3, b"")
            if not isinstance(index, int) or not isinstance(data, bytes):
                raise ValueError("a field has another type")
            records.append(UserRecord(keys[index], data))
    return records


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field. Raises ValueError, IndexError."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            length, position = _varint(message, position)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("an unknown wire type")
        if position + length > len(message):
            raise ValueError("ends too early")
        yield tag >> 3, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Return a number and the position after it. Raises ValueError, IndexError."""
    value = 0
    for shift in range(0, 64, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number is too long")
