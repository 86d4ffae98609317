"""Decode Avro data to JSON values, by the schema it was written with.

https://avro.apache.org/docs/1.12.0/specification/

A schema is compiled once to a function for each of its types. Made for data of strangers: nesting is limited, and an
array has no more items than the data has bytes (and a few), so that a short text neither ends the process nor fills its
memory. Logical types become what JSON has for them without loss:

    decimal                              string, all its digits
    timestamp-millis, -micros, -nanos    string, RFC 3339 in UTC; local-timestamp-* without an offset
    date, time-millis, time-micros       string, as in RFC 3339
    uuid                                 string
    duration                             object: months, days, milliseconds
    bytes, fixed                         string, base64

A value of a union is the value itself, without the name of its branch. Times that RFC 3339 cannot express (before the
year 1, after 9999) stay numbers; NaN and infinities become strings.
"""

import base64
import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

MAX_RECORDS_DEEP = 64  # records inside one another
MAX_EMPTY_ITEMS = 1000  # of arrays, beyond one for each byte of the data

_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMED = ("record", "error", "enum", "fixed")


class InvalidSchema(ValueError):
    """The text is not an Avro schema."""


class InvalidData(ValueError):
    """The bytes are not data of the schema."""


class _Cursor:
    """A place in the data, and what may still be decoded."""

    __slots__ = ("at", "data", "depth", "items")

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at, self.depth, self.items = data, at, 0, len(data) + MAX_EMPTY_ITEMS


_Decode = Callable[[_Cursor], Any]


class AvroSchema:
    """A schema that is ready to decode; ``references``: schemas whose named types it uses. Raises InvalidSchema."""

    def __init__(self, text: str, references: Iterable[str] = ()) -> None:
        names: dict[str, _Decode] = {}
        try:
            for reference in references:
                _compile(_schema_of(reference), "", names)
            self._decode = _compile(_schema_of(text), "", names)
        except RecursionError:
            raise InvalidSchema("Is nested too deeply.") from None

    def decode(self, data: bytes, start: int = 0) -> Any:
        """Return the value as JSON has it. Raises InvalidData, also if bytes are left over."""
        cursor = _Cursor(data, start)
        try:
            value = self._decode(cursor)
        except (IndexError, struct.error):
            raise InvalidData("Ends in the middle of a value.") from None
        except UnicodeDecodeError:
            raise InvalidData("Has a string that is not UTF-8.") from None
        except RecursionError:
            raise InvalidData("Is nested too deeply.") from None
        if cursor.at != len(data):
            raise InvalidData(f"Has {len(data) - cursor.at} bytes after the value.")
        return value


def _schema_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        if text.strip().isidentifier():
            return text.strip()
        raise InvalidSchema("Is not JSON.") from None


def _compile(schema: Any, namespace: str, names: dict[str, _Decode]) -> _Decode:
    if isinstance(schema, str):
        return _named(schema, namespace, names)
    if isinstance(schema, list):
        return _union([_compile(it, namespace, names) for it in schema])
    if not isinstance(schema, dict):
        raise InvalidSchema("A schema must be a string, an array or an object.")
    kind = schema.get("type")
    if kind in _NAMED:
        return _definition(schema, str(kind), namespace, names)
    if kind == "array":
        return _array(_compile(schema.get("items"), namespace, names))
    if kind == "map":
        return _map(_compile(schema.get("values"), namespace, names))
    if isinstance(kind, str) and kind in _PRIMITIVES:
        return _logical(schema, kind) or _PRIMITIVES[kind]
    return _compile(kind, namespace, names)


def _named(name: str, namespace: str, names: Mapping[str, _Decode]) -> _Decode:
    if name in _PRIMITIVES:
        return _PRIMITIVES[name]
    for full in (name,) if "." in name else (f"{namespace}.{name}" if namespace else name, name):
        if full in names:
            return _reference(full, names)
    raise InvalidSchema(f"Names the type {name}, which is not defined.")


def _reference(full: str, names: Mapping[str, _Decode]) -> _Decode:
    """Return a decoder that looks the type up when it is used, because its definition may not be complete yet."""

    def decode(cursor: _Cursor) -> Any:
        return names[full](cursor)

    return decode


def _definition(schema: Mapping[str, Any], kind: str, namespace: str, names: dict[str, _Decode]) -> _Decode:
    name = schema.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidSchema(f"A type {kind} must have a name.")
    if "." not in name:
        own = schema.get("namespace", namespace)
        name = f"{own}.{name}" if own else name
    names[name] = _nothing
    if kind == "enum":
        names[name] = _enum(schema.get("symbols"))
    elif kind == "fixed":
        size = schema.get("size")
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise InvalidSchema("A type fixed must have a size.")
        names[name] = _logical(schema, "fixed") or _fixed(size)
    else:
        names[name] = _record(schema.get("fields"), name.rpartition(".")[0], names)
    return names[name]


def _nothing(_cursor: _Cursor) -> None:
    return None


def _record(fields: Any, namespace: str, names: dict[str, _Decode]) -> _Decode:
    if not isinstance(fields, list) or not all(
        isinstance(it, dict) and isinstance(it.get("name"), str) for it in fields
    ):
        raise InvalidSchema("The fields of a record must be objects with names.")
    compiled = [(it["name"], _compile(it.get("type"), namespace, names)) for it in fields]

    def decode(cursor: _Cursor) -> dict[str, Any]:
        cursor.depth += 1
        if cursor.depth > MAX_RECORDS_DEEP:
            raise InvalidData(f"Has more than {MAX_RECORDS_DEEP} records inside one another.")
        value = {name: decode_field(cursor) for name, decode_field in compiled}
        cursor.depth -= 1
        return value

    return decode


def _enum(symbols: Any) -> _Decode:
    if not isinstance(symbols, list) or not all(isinstance(it, str) for it in symbols):
        raise InvalidSchema("The symbols of an enum must be strings.")

    def decode(cursor: _Cursor) -> str:
        index = _long(cursor)
        if not 0 <= index < len(symbols):
            raise InvalidData(f"Has symbol {index} of an enum of {len(symbols)}.")
        return str(symbols[index])

    return decode


def _union(branches: list[_Decode]) -> _Decode:
    def decode(cursor: _Cursor) -> Any:
        index = _long(cursor)
        if not 0 <= index < len(branches):
            raise InvalidData(f"Has branch {index} of a union of {len(branches)}.")
        return branches[index](cursor)

    return decode


def _array(item: _Decode) -> _Decode:
    def decode(cursor: _Cursor) -> list[Any]:
        found: list[Any] = []
        while count := _block(cursor):
            found += [item(cursor) for _ in range(count)]
        return found

    return decode


def _map(item: _Decode) -> _Decode:
    def decode(cursor: _Cursor) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while count := _block(cursor):
            for _ in range(count):
                name = _string(cursor)
                found[name] = item(cursor)
        return found

    return decode


def _block(cursor: _Cursor) -> int:
    """Return the number of items of the next block of an array or a map; 0 at its end."""
    count = _long(cursor)
    if count < 0:
        count = -count
        _long(cursor)  # the size of the block in bytes
    cursor.items -= count
    if cursor.items < 0:
        raise InvalidData("Has more items than bytes.")
    return count


def _long(cursor: _Cursor) -> int:
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


def _bytes(cursor: _Cursor) -> bytes:
    return _take(cursor, _long(cursor))


def _take(cursor: _Cursor, size: int) -> bytes:
    start = cursor.at
    if size < 0 or start + size > len(cursor.data):
        raise InvalidData("Ends in the middle of a value.")
    cursor.at = start + size
    return cursor.data[start : cursor.at]


def _string(cursor: _Cursor) -> str:
    return _bytes(cursor).decode()


def _boolean(cursor: _Cursor) -> bool:
    byte = cursor.data[cursor.at]
    if byte > 1:
        raise InvalidData(f"Has a boolean of {byte}.")
    cursor.at += 1
    return byte == 1


def _number(form: struct.Struct) -> _Decode:
    def decode(cursor: _Cursor) -> float | str:
        (value,) = form.unpack_from(cursor.data, cursor.at)
        cursor.at += form.size
        if math.isfinite(value):
            return float(value)
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"

    return decode


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _fixed(size: int) -> _Decode:
    return lambda cursor: _base64(_take(cursor, size))


_PRIMITIVES: Mapping[str, _Decode] = {
    "null": _nothing,
    "boolean": _boolean,
    "int": _long,
    "long": _long,
    "float": _number(_FLOAT),
    "double": _number(_DOUBLE),
    "bytes": lambda cursor: _base64(_bytes(cursor)),
    "string": _string,
}


def _logical(schema: Mapping[str, Any], kind: str) -> _Decode | None:
    """Return the decoder of a logical type; None if there is none, or if it does not fit its type (then ignored)."""
    name = schema.get("logicalType")
    if name == "decimal" and kind in ("bytes", "fixed"):
        return _decimal(schema, kind)
    if kind == "fixed":
        return _logical_fixed(name, schema["size"])
    if name == "date" and kind == "int":
        return lambda cursor: _date(_long(cursor))
    if isinstance(name, str) and kind in ("int", "long"):
        return _time_or_timestamp(name)
    return None


def _decimal(schema: Mapping[str, Any], kind: str) -> _Decode | None:
    scale = schema.get("scale", 0)
    if isinstance(scale, bool) or not isinstance(scale, int) or not 0 <= scale <= 1000:
        return None
    size = schema["size"] if kind == "fixed" else None

    def decode(cursor: _Cursor) -> str:
        data = _bytes(cursor) if size is None else _take(cursor, size)
        if len(data) > 1000:
            raise InvalidData(f"Has a decimal of {len(data)} bytes.")
        value = int.from_bytes(data, "big", signed=True)
        digits = str(abs(value)).rjust(scale + 1, "0")
        sign = "-" if value < 0 else ""
        return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else sign + digits

    return decode


def _logical_fixed(name: Any, size: int) -> _Decode | None:
    if name == "uuid" and size == 16:
        return lambda cursor: str(UUID(bytes=_take(cursor, 16)))
    if name == "duration" and size == 12:
        return lambda cursor: dict(
            zip(("months", "days", "milliseconds"), struct.unpack("<III", _take(cursor, 12)), strict=True)
        )
    return None


_UNITS = {"millis": 3, "micros": 6, "nanos": 9}  # digits after the second


def _time_or_timestamp(name: str) -> _Decode | None:
    what, _, unit = name.rpartition("-")
    digits = _UNITS.get(unit)
    if digits is None:
        return None
    if what in ("timestamp", "local-timestamp"):
        zone = "Z" if what == "timestamp" else ""
        return lambda cursor: _timestamp(_long(cursor), digits, zone)
    if what == "time":
        return lambda cursor: _time(_long(cursor), digits)
    return None


def _timestamp(value: int, digits: int, zone: str) -> str | int:
    seconds, fraction = divmod(value, 10**digits)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return value
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:0{digits}d}{zone}" if moment.year > 999 else value


def _time(value: int, digits: int) -> str | int:
    seconds, fraction = divmod(value, 10**digits)
    if not 0 <= seconds < 86_400:
        return value
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction:0{digits}d}"


def _date(days: int) -> str | int:
    try:
        return (date(1970, 1, 1) + timedelta(days=days)).isoformat()
    except OverflowError:
        return days
