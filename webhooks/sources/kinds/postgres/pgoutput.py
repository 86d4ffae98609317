"""Decode the messages of PostgreSQL's output plug-in ``pgoutput``, protocol version 1: without streaming, in text form.

See the chapter "Logical Replication Message Formats" of PostgreSQL's documentation. Pure: bytes in, values out.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
UNCHANGED = object()
"""A value that is stored out of line and was not changed by an update, so it is not in the message."""

Value = bytes | None | object
Row = tuple[Value, ...]


class InvalidMessage(ValueError):
    """The bytes are no message of this protocol."""


@dataclass(frozen=True, slots=True)
class Begin:
    """The beginning of a transaction; ``lsn`` is that of its commit."""

    lsn: int
    time: datetime
    xid: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The end of a transaction; ``end`` is where the next one can begin."""

    lsn: int
    end: int


@dataclass(frozen=True, slots=True)
class RelationColumn:
    """A column of a relation; ``is_key``: part of the replica identity."""

    name: str
    type: int
    is_key: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, as it is in the changes that follow."""

    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[RelationColumn, ...]


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that was inserted, updated or deleted. ``is_key``: the former row has only its replica identity."""

    kind: Literal["inserted", "updated", "deleted"]
    relation: int
    before: Row | None
    after: Row | None
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class Truncate:
    """Tables that were emptied."""

    relations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LogicalMessage:
    """A message of ``pg_logical_emit_message``."""

    lsn: int
    prefix: str
    content: bytes


Message = Begin | Commit | Relation | RowChange | Truncate | LogicalMessage


def decode(data: bytes) -> Message | None:
    """Return a message; None for one that is of no interest (types, origins). Raises InvalidMessage."""
    try:
        return _decode(data)
    except (struct.error, IndexError, UnicodeDecodeError, OverflowError, ValueError) as error:
        raise InvalidMessage(f"Is no message of pgoutput: {error}") from error


def _decode(data: bytes) -> Message | None:
    kind, reader = data[:1], _Reader(data, 1)
    if kind in _CHANGES:
        return _CHANGES[kind](reader)
    if kind == b"B":
        lsn, microseconds, xid = reader.take(">QqI")
        return Begin(lsn, EPOCH + timedelta(microseconds=microseconds), xid)
    if kind == b"C":
        _, lsn, end, _ = reader.take(">BQQq")
        return Commit(lsn, end)
    if kind == b"R":
        return _relation(reader)
    if kind == b"T":
        number, _ = reader.take(">IB")
        return Truncate(tuple(reader.take(">I")[0] for _ in range(number)))
    if kind == b"M":
        _, lsn = reader.take(">BQ")
        prefix, (length,) = reader.text(), reader.take(">I")
        return LogicalMessage(lsn, prefix, reader.bytes(length))
    if kind in (b"O", b"Y"):
        return None
    raise InvalidMessage(f"Is no message of pgoutput: begins with {kind!r}")


class _Reader:
    """Read fields in order."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def take(self, form: str) -> tuple[int, ...]:
        found: tuple[int, ...] = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return found

    def text(self) -> str:
        end = self._data.index(b"\0", self._at)
        found = self._data[self._at : end].decode()
        self._at = end + 1
        return found

    def bytes(self, length: int) -> bytes:
        found = self._data[self._at : self._at + length]
        if len(found) < length:
            raise IndexError("it ends early")
        self._at += length
        return found

    def row(self) -> Row:
        (number,) = self.take(">H")
        return tuple(self._value() for _ in range(number))

    def _value(self) -> Value:
        kind = self.bytes(1)
        if kind == b"n":
            return None
        if kind == b"u":
            return UNCHANGED
        if kind != b"t":
            raise IndexError(f"a value is of the kind {kind!r}")
        return self.bytes(self.take(">I")[0])


def _relation(reader: _Reader) -> Relation:
    (oid,) = reader.take(">I")
    schema, name, identity = reader.text(), reader.text(), chr(reader.bytes(1)[0])
    (number,) = reader.take(">H")
    columns = []
    for _ in range(number):
        (flags,) = reader.take(">B")
        column = reader.text()
        type_oid, _ = reader.take(">Ii")
        columns.append(RelationColumn(column, type_oid, bool(flags & 1)))
    return Relation(oid, schema, name, identity, tuple(columns))


def _inserted(reader: _Reader) -> RowChange:
    (relation,), _ = reader.take(">I"), reader.bytes(1)
    return RowChange("inserted", relation, None, reader.row())


def _updated(reader: _Reader) -> RowChange:
    (relation,), kind = reader.take(">I"), reader.bytes(1)
    before = None
    if kind in (b"K", b"O"):
        before = reader.row()
        reader.bytes(1)
    return RowChange("updated", relation, before, reader.row(), kind == b"K")


def _deleted(reader: _Reader) -> RowChange:
    (relation,), kind = reader.take(">I"), reader.bytes(1)
    return RowChange("deleted", relation, reader.row(), None, kind == b"K")


_CHANGES = {b"I": _inserted, b"U": _updated, b"D": _deleted}


def format_lsn(lsn: int) -> str:
    """Return an LSN as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def parse_lsn(text: str) -> int:
    """Return the number of an LSN. Raises ValueError."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)
