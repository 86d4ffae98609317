"""Make records of the messages behind a slot, without those that are stored, or that the first copy has.

The position has what is needed for that: the LSN behind the last transaction that is stored (``lsn``), the transaction
that is stored in part (``tx``) with the number of its messages that are (``n``), and the segments of the copy.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from webhooks.sources.kinds.kind import Record
from webhooks.sources.kinds.postgres.change_record import (
    Place,
    TableChanges,
    message_record,
    row_record,
    truncate_record,
    unreadable_record,
)
from webhooks.sources.kinds.postgres.changed_tables import changes_of
from webhooks.sources.kinds.postgres.connect import Database
from webhooks.sources.kinds.postgres.first_copy import Segment, is_after, segments_of
from webhooks.sources.kinds.postgres.peek import MAX_MESSAGE_BYTES
from webhooks.sources.kinds.postgres.pgoutput import (
    Begin,
    Commit,
    InvalidMessage,
    LogicalMessage,
    Message,
    Relation,
    RowChange,
    Truncate,
    decode,
    format_lsn,
    parse_lsn,
)
from webhooks.sources.kinds.postgres.tables import Table


class ChangeStream:
    """The records of one reader; ``passed``: where reading goes on, ``done``: the LSN behind what was read whole."""

    def __init__(self, database: Database, tables: Sequence[Table], timeline: str, source: str, prefix: str) -> None:
        self._database, self._tables, self._timeline = database, tables, timeline
        self._source, self._prefix = source, prefix
        self._relations: dict[int, TableChanges] = {}
        self._transaction: Begin | None = None
        self._number = 0
        self.last_time: datetime | None = None

    def begin(self, position: dict[str, Any]) -> None:
        """Begin at a position; it says what is to be left out."""
        self._position: dict[str, Any] = position
        self.passed = position
        self.done = parse_lsn(self._position["lsn"])
        self._partly = parse_lsn(self._position.get("tx", "0/0"))
        self._read = int(self._position.get("n", 0))
        self._segments: list[Segment] = segments_of(self._position)
        self._segments_until = parse_lsn(self._position.get("until", "0/0"))

    def begin_again(self) -> None:
        """Expect a message that begins a transaction, as each peek begins with one."""
        self._transaction = None

    def of(self, lsn: str, data: bytes | None) -> list[Record]:
        """Return the records of a message that are not stored already: mostly one, or none."""
        try:
            if data is None:
                raise InvalidMessage(f"The change is larger than {MAX_MESSAGE_BYTES // 1024**2} MiB.")
            message = decode(data)
        except InvalidMessage as error:
            return self._found([self._record_of(lsn, data or b"", None, str(error))])
        if isinstance(message, Relation):
            self._relations[message.oid] = changes_of(self._database, message)
        elif isinstance(message, Begin):
            self._enter(message)
        elif isinstance(message, Commit):
            self._leave(message)
        elif isinstance(message, Truncate):
            tables = [Truncate((it,)) for it in message.relations]
            return self._found([self._record_of(lsn, data, it, "") for it in tables])
        elif message is not None:
            return self._found([self._record_of(lsn, data, message, "")])
        return []

    def _found(self, records: Sequence[Record | None]) -> list[Record]:
        return [record for record in records if record is not None]

    def _enter(self, begin: Begin) -> None:
        self._transaction, self._number = begin, 0
        if self._segments and begin.lsn > self._segments_until:
            self._segments = []
            self._position = {name: it for name, it in self._position.items() if name not in ("segments", "until")}

    def _leave(self, commit: Commit) -> None:
        self._transaction = None
        if commit.end > self.done:
            self.done = commit.end
            self._position = {name: it for name, it in self._position.items() if name not in ("tx", "n")}
            self._position["lsn"] = format_lsn(commit.end)
        self.passed = self._position

    def _record_of(self, lsn: str, data: bytes, message: Message | None, problem: str) -> Record | None:
        begin = self._transaction
        if begin is None:
            return self._message_outside(message)
        self._number += 1
        is_stored = begin.lsn < self.done or (begin.lsn == self._partly and self._number <= self._read)
        if is_stored or self._is_left_out(message, begin):
            return None
        self.last_time = begin.time
        position = {**self._position, "tx": format_lsn(begin.lsn), "n": self._number}
        self.passed = position
        id = f"{self._timeline}-{format_lsn(begin.lsn)}-{self._number}"
        place = Place(id, parse_lsn(lsn), begin.time, position, self._source)
        if problem:
            return unreadable_record(data, place, problem)
        try:
            return self._made(message, place)
        except (ValueError, KeyError) as error:
            return unreadable_record(data, place, f"A value cannot be read: {error}.")

    def _made(self, message: Message | None, place: Place) -> Record:
        if isinstance(message, RowChange):
            return row_record(self._relations[message.relation], message, place)
        if isinstance(message, Truncate):
            return truncate_record(self._relations[message.relations[0]], place)
        assert isinstance(message, LogicalMessage)  # noqa: S101 (the caller passes no others)
        return message_record(message, place)

    def _message_outside(self, message: Message | None) -> Record | None:
        """Return the record of a logical message that belongs to no transaction."""
        if not isinstance(message, LogicalMessage) or message.prefix != self._prefix or message.lsn < self.done:
            return None
        self.done = message.lsn + 1
        self.passed = self._position = {**self._position, "lsn": format_lsn(self.done)}
        id = f"{self._timeline}-{format_lsn(message.lsn)}-0"
        place = Place(id, message.lsn, datetime.now(UTC), self._position, self._source)
        return message_record(message, place)

    def _is_left_out(self, message: Message | None, begin: Begin) -> bool:
        """Return whether a change is of no interest, or the copy has it already."""
        if isinstance(message, LogicalMessage):
            return bool(message.prefix != self._prefix)
        if isinstance(message, Truncate):
            return bool(self._segments) and all(it.contains(begin.xid) for it in self._segments)
        if not isinstance(message, RowChange) or not self._segments or message.relation not in self._relations:
            return False
        return self._is_copied(message, begin.xid)

    def _is_copied(self, change: RowChange, xid: int) -> bool:
        """Return whether the snapshots that have the row, under its former and its new key, contain the transaction."""
        relation = self._relations[change.relation].relation
        table = next((place for place, it in enumerate(self._tables) if it.oid == relation.oid), None)
        if table is None:
            return False
        rows = [row for row in (change.before, change.after) if row is not None]
        return all(self._segment(table, relation, row).contains(xid) for row in rows)

    def _segment(self, table: int, relation: Relation, row: Sequence[Any]) -> Segment:
        """Return the segment in which the copy has a row."""
        values = dict(zip((column.name for column in relation.columns), row, strict=True))
        key = [bytes(values[name] or b"").decode() for name in self._tables[table].key]
        for segment in reversed(self._segments):
            if segment.table < table or (segment.table == table and segment.after is None):
                return segment
            if segment.table == table and is_after(self._database, self._tables[table], key, segment.after or ()):
                return segment
        return self._segments[0]
