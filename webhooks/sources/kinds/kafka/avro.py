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

import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from webhooks.sources.kinds.kafka.avro_logical_types import logical_type
from webhooks.sources.kinds.kafka.avro_values import (
    PRIMITIVES,
    Cursor,
    Decode,
    InvalidData,
    fixed,
    nothing,
    read_block,
    read_long,
    read_string,
)

MAX_RECORDS_DEEP = 64  # records inside one another

_NAMED = ("record", "error", "enum", "fixed")


class InvalidSchema(ValueError):
    """The text is not an Avro schema."""


class AvroSchema:
    """A schema that is ready to decode; ``references``: schemas whose named types it uses. Raises InvalidSchema."""

    def __init__(self, text: str, references: Iterable[str] = ()) -> None:
        names: dict[str, Decode] = {}
        try:
            for reference in references:
                _compile(_schema_of(reference), "", names)
            self._decode = _compile(_schema_of(text), "", names)
        except RecursionError:
            raise InvalidSchema("Is nested too deeply.") from None

    def decode(self, data: bytes, start: int = 0) -> Any:
        """Return the value as JSON has it. Raises InvalidData, also if bytes are left over."""
        cursor = Cursor(data, start)
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


def _compile(schema: Any, namespace: str, names: dict[str, Decode]) -> Decode:
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
    if isinstance(kind, str) and kind in PRIMITIVES:
        return logical_type(schema, kind) or PRIMITIVES[kind]
    return _compile(kind, namespace, names)


def _named(name: str, namespace: str, names: Mapping[str, Decode]) -> Decode:
    if name in PRIMITIVES:
        return PRIMITIVES[name]
    for full in (name,) if "." in name else (f"{namespace}.{name}" if namespace else name, name):
        if full in names:
            return _reference(full, names)
    raise InvalidSchema(f"Names the type {name}, which is not defined.")


def _reference(full: str, names: Mapping[str, Decode]) -> Decode:
    """Return a decoder that looks the type up when it is used, because its definition may not be complete yet."""

    def decode(cursor: Cursor) -> Any:
        return names[full](cursor)

    return decode


def _definition(schema: Mapping[str, Any], kind: str, namespace: str, names: dict[str, Decode]) -> Decode:
    name = schema.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidSchema(f"A type {kind} must have a name.")
    if "." not in name:
        own = schema.get("namespace", namespace)
        name = f"{own}.{name}" if own else name
    names[name] = nothing
    if kind == "enum":
        names[name] = _enum(schema.get("symbols"))
    elif kind == "fixed":
        size = schema.get("size")
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise InvalidSchema("A type fixed must have a size.")
        names[name] = logical_type(schema, "fixed") or fixed(size)
    else:
        names[name] = _record(schema.get("fields"), name.rpartition(".")[0], names)
    return names[name]


def _record(fields: Any, namespace: str, names: dict[str, Decode]) -> Decode:
    if not isinstance(fields, list) or not all(
        isinstance(it, dict) and isinstance(it.get("name"), str) for it in fields
    ):
        raise InvalidSchema("The fields of a record must be objects with names.")
    compiled = [(it["name"], _compile(it.get("type"), namespace, names)) for it in fields]

    def decode(cursor: Cursor) -> dict[str, Any]:
        cursor.depth += 1
        if cursor.depth > MAX_RECORDS_DEEP:
            raise InvalidData(f"Has more than {MAX_RECORDS_DEEP} records inside one another.")
        value = {name: decode_field(cursor) for name, decode_field in compiled}
        cursor.depth -= 1
        return value

    return decode


def _enum(symbols: Any) -> Decode:
    if not isinstance(symbols, list) or not all(isinstance(it, str) for it in symbols):
        raise InvalidSchema("The symbols of an enum must be strings.")

    def decode(cursor: Cursor) -> str:
        index = read_long(cursor)
        if not 0 <= index < len(symbols):
            raise InvalidData(f"Has symbol {index} of an enum of {len(symbols)}.")
        return str(symbols[index])

    return decode


def _union(branches: list[Decode]) -> Decode:
    def decode(cursor: Cursor) -> Any:
        index = read_long(cursor)
        if not 0 <= index < len(branches):
            raise InvalidData(f"Has branch {index} of a union of {len(branches)}.")
        return branches[index](cursor)

    return decode


def _array(item: Decode) -> Decode:
    def decode(cursor: Cursor) -> list[Any]:
        found: list[Any] = []
        while count := read_block(cursor):
            found += [item(cursor) for _ in range(count)]
        return found

    return decode


def _map(item: Decode) -> Decode:
    def decode(cursor: Cursor) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while count := read_block(cursor):
            for _ in range(count):
                name = read_string(cursor)
                found[name] = item(cursor)
        return found

    return decode
