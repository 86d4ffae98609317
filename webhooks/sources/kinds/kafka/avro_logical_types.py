"""Decode the logical types of Avro to what JSON has for them; see ``avro``."""

import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from webhooks.sources.kinds.kafka.avro_values import Cursor, Decode, InvalidData, read_bytes, read_long, take

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def logical_type(schema: Mapping[str, Any], kind: str) -> Decode | None:
    """Return the decoder of a logical type; None if there is none, or if it does not fit its type (then ignored)."""
    name = schema.get("logicalType")
    if name == "decimal" and kind in ("bytes", "fixed"):
        return _decimal(schema, kind)
    if kind == "fixed":
        return _logical_fixed(name, schema["size"])
    if name == "date" and kind == "int":
        return lambda cursor: _date(read_long(cursor))
    if isinstance(name, str) and kind in ("int", "long"):
        return _time_or_timestamp(name)
    return None


def _decimal(schema: Mapping[str, Any], kind: str) -> Decode | None:
    scale = schema.get("scale", 0)
    if isinstance(scale, bool) or not isinstance(scale, int) or not 0 <= scale <= 1000:
        return None
    size = schema["size"] if kind == "fixed" else None

    def decode(cursor: Cursor) -> str:
        data = read_bytes(cursor) if size is None else take(cursor, size)
        if len(data) > 1000:
            raise InvalidData(f"Has a decimal of {len(data)} bytes.")
        value = int.from_bytes(data, "big", signed=True)
        digits = str(abs(value)).rjust(scale + 1, "0")
        sign = "-" if value < 0 else ""
        return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else sign + digits

    return decode


def _logical_fixed(name: Any, size: int) -> Decode | None:
    if name == "uuid" and size == 16:
        return lambda cursor: str(UUID(bytes=take(cursor, 16)))
    if name == "duration" and size == 12:
        return lambda cursor: dict(
            zip(("months", "days", "milliseconds"), struct.unpack("<III", take(cursor, 12)), strict=True)
        )
    return None


_UNITS = {"millis": 3, "micros": 6, "nanos": 9}  # digits after the second


def _time_or_timestamp(name: str) -> Decode | None:
    what, _, unit = name.rpartition("-")
    digits = _UNITS.get(unit)
    if digits is None:
        return None
    if what in ("timestamp", "local-timestamp"):
        zone = "Z" if what == "timestamp" else ""
        return lambda cursor: _timestamp(read_long(cursor), digits, zone)
    if what == "time":
        return lambda cursor: _time(read_long(cursor), digits)
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
