"""Read the first copy and then the changes of a source: the reader of the kind ``postgres_changes``."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from webhooks.sources.kinds.kind import Connection, Lag, Position, Record
from webhooks.sources.kinds.postgres.change_record import (
    Place,
    TableChanges,
    copied_record,
    message_record,
    row_record,
    truncate_record,
    unreadable_record,
)
from webhooks.sources.kinds.postgres.changed_tables import changes_of, changes_of_table, find_tables
from webhooks.sources.kinds.postgres.connect import LOCK_SECONDS, connect
from webhooks.sources.kinds.postgres.first_copy import Copy, Segment, is_after, segments_of
from webhooks.sources.kinds.postgres.peek import MAX_CHANGES, MAX_MESSAGE_BYTES, Peek
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
from webhooks.sources.kinds.postgres.slot import (
    CREATE_SECONDS,
    Slot,
    advance_slot,
    create_slot,
    find_slot,
    name_of,
    publication_of,
    publish_tables,
    set_timeouts,
    usable_slot,
)

MAX_FETCH_BYTES = 8 * 1024**2  # of the records of a fetch, after which it ends
WAL_SECONDS = 45.0  # for a statement that reads WAL, which has to end before the lease of the reader
POLL_EVERY = 0.1  # seconds between two looks whether something was written, at least
POLL_PART = 3  # times as long as the last peek took
_NOW = "SELECT pg_current_wal_flush_lsn()::text, substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8)"


class ChangeReader:
    """A connection that peeks at the changes behind the slot of a source."""

    def __init__(self, connection: Connection, position: Position) -> None:
        self._slot, self._publication = name_of(connection), publication_of(connection)
        self._source = f"urn:waypost:{connection.source}"
        self._prefix = connection.settings["message_prefix"]
        self._database = connect(connection)
        try:
            self._begin(connection, position)
        except BaseException:
            self._database.close()
            raise

    def _begin(self, connection: Connection, position: Position) -> None:
        """Create what is missing, and find the position."""
        database = self._database
        with database.limit(3 * CREATE_SECONDS):
            self._tables = find_tables(database, connection.settings)
            slot = usable_slot(database, self._slot, is_known=position is not None)
            publish_tables(database, connection, self._tables)
            if slot is None:
                create_slot(database, self._slot)
                slot = usable_slot(database, self._slot, is_known=True)
            now, timeline = database.rows(_NOW)[0]
            set_timeouts(database, WAL_SECONDS, LOCK_SECONDS)
        if position is None:
            position = {"lsn": "0/0"}
            if connection.settings["copy"]:
                position["copy"] = {"run": now.decode(), "table": 0, "after": None}
        self._timeline = timeline.decode().lstrip("0")
        self._position: dict[str, Any] = position
        self._copy = Copy(database, self._tables, self._publication, position) if "copy" in position else None
        self._peek: Peek | None = None
        self._upto = ""
        self._looked_at = ""  # the LSN up to which everything was read
        self._to_advance = ""
        self._next_look = 0.0
        self._relations: dict[int, TableChanges] = {}
        self._transaction: Begin | None = None
        self._number = 0
        self._last_time: datetime | None = None
        self._read_position()
        self._passed = self._position  # where reading goes on now

    def _read_position(self) -> None:
        """Read from the position what is to be left out."""
        self._done = parse_lsn(self._position["lsn"])
        self._partly = parse_lsn(self._position.get("tx", "0/0"))
        self._read = int(self._position.get("n", 0))
        self._segments: list[Segment] = segments_of(self._position)
        self._segments_until = parse_lsn(self._position.get("until", "0/0"))

    def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        """Return the next rows of the copy, or changes; wait for the first one. Raises SourceUnavailable."""
        until = time.monotonic() + wait
        while True:
            with self._database.limit(WAL_SECONDS + 5):
                records = self._copied(limit) if self._copy is not None else self._changes(limit)
            left = until - time.monotonic()
            if records or left <= 0:
                return records
            time.sleep(min(max(POLL_EVERY, self._next_look - time.monotonic()), left))

    def acknowledge(self, records: Sequence[Record]) -> None:
        """Advance the slot behind transactions that are stored completely. Raises SourceUnavailable."""
        if self._to_advance:
            with self._database.limit(WAL_SECONDS):
                self._advance()

    def lag(self) -> Lag:
        """Return the age of the last change that was read if there are more, and the WAL behind the slot.

        Raises SourceUnavailable.
        """
        with self._database.limit():
            slot = find_slot(self._database, self._slot)
        if slot is None:
            return Lag(position=self._passed)
        kept = max(0, slot.current - slot.confirmed)
        return Lag(seconds=self._age(slot), position=self._passed, bytes=kept, warning=slot.warning)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def _age(self, slot: Slot) -> float | None:
        if self._peek is None and self._copy is None and slot.current <= parse_lsn(self._looked_at or "0/0"):
            return 0.0
        return None if self._last_time is None else max(0.0, (datetime.now(UTC) - self._last_time).total_seconds())

    # The copy.

    def _copied(self, limit: int) -> list[Record]:
        """Return the next rows of the copy; none while it cannot begin, or when it has ended."""
        copy = self._copy
        if copy is None or not copy.begin():
            return []
        found = copy.rows(limit)
        if found is None:
            self._position, self._copy = copy.end(), None
            self._passed = self._position
            self._read_position()
            return []
        table, columns, rows = found
        changes = changes_of_table(self._database, table, columns)
        run = copy.position["copy"]["run"]
        self._passed = rows[-1][1]
        records = []
        for row, position in rows:
            key = "|".join(position["copy"]["after"])
            place = Place(
                f"{self._timeline}-{run}-{table.full_name}-{key}",
                parse_lsn(run),
                datetime.now(UTC),
                position,
                self._source,
            )
            try:
                records.append(copied_record(changes, row, place))
            except ValueError as error:
                content = b"\t".join(value or b"" for value in row)
                records.append(
                    unreadable_record(content, place, f"A value of {table.full_name} cannot be read: {error}.")
                )
        return records

    # Changes.

    def _changes(self, limit: int) -> list[Record]:
        records: list[Record] = []
        size = 0
        while self._peek is not None or self._open_peek():
            peek: Peek = self._peek  # type: ignore[assignment]
            for lsn, data in peek.messages():
                for record in self._records(lsn, data):
                    records.append(record)
                    size += len(record.body)
                if len(records) >= limit or size >= MAX_FETCH_BYTES:
                    return records
            self._end_peek(peek)
            if records:
                return records
            self._advance()
        return records

    def _open_peek(self) -> bool:
        """Begin to peek if something was written since the last time, and it is not too early."""
        if time.monotonic() < self._next_look:
            return False
        now = self._database.rows(_NOW)[0][0].decode()
        if now == self._looked_at:
            return False
        began = time.monotonic()
        self._upto = now
        self._peek = Peek(self._database, self._slot, self._publication, now)
        self._peek.fetch()
        self._transaction = None
        self._next_look = time.monotonic() + POLL_PART * (time.monotonic() - began)
        return True

    def _end_peek(self, peek: Peek) -> None:
        """Note how far the slot can be advanced when the records before are stored."""
        peek.close()
        self._peek = None
        if peek.count < MAX_CHANGES:
            self._looked_at = self._to_advance = self._upto
        else:
            self._to_advance = format_lsn(self._done)
            self._next_look = 0.0

    def _advance(self) -> None:
        if self._to_advance:
            advance_slot(self._database, self._slot, self._to_advance)
            self._to_advance = ""

    def _records(self, lsn: str, data: bytes | None) -> list[Record]:
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
        if commit.end > self._done:
            self._done = commit.end
            self._position = {name: it for name, it in self._position.items() if name not in ("tx", "n")}
            self._position["lsn"] = format_lsn(commit.end)
        self._passed = self._position

    def _record_of(self, lsn: str, data: bytes, message: Message | None, problem: str) -> Record | None:
        begin = self._transaction
        if begin is None:
            return self._message_outside(message)
        self._number += 1
        is_stored = begin.lsn < self._done or (begin.lsn == self._partly and self._number <= self._read)
        if is_stored or self._is_left_out(message, begin):
            return None
        self._last_time = begin.time
        position = {**self._position, "tx": format_lsn(begin.lsn), "n": self._number}
        self._passed = position
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
        if not isinstance(message, LogicalMessage) or message.prefix != self._prefix or message.lsn < self._done:
            return None
        self._done = message.lsn + 1
        self._passed = self._position = {**self._position, "lsn": format_lsn(self._done)}
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
