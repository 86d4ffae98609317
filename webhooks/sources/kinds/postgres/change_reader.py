"""Read the first copy and then the changes of a source: the reader of the kind ``postgres_changes``."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from webhooks.sources.kinds.kind import Connection, Lag, Position, Record
from webhooks.sources.kinds.opening import closed_on_failure
from webhooks.sources.kinds.postgres.change_record import (
    Place,
    copied_record,
    unreadable_record,
)
from webhooks.sources.kinds.postgres.change_stream import ChangeStream
from webhooks.sources.kinds.postgres.changed_tables import changes_of_table, find_tables
from webhooks.sources.kinds.postgres.connect import LOCK_SECONDS, connect
from webhooks.sources.kinds.postgres.first_copy import Copy
from webhooks.sources.kinds.postgres.peek import MAX_CHANGES, Peek
from webhooks.sources.kinds.postgres.pgoutput import (
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
from webhooks.wire.ids import URN

MAX_FETCH_BYTES = 8 * 1024**2  # of the records of a fetch, after which it ends
WAL_SECONDS = 45.0  # for a statement that reads WAL, which has to end before the lease of the reader
POLL_EVERY = 0.1  # seconds between two looks whether something was written, at least
POLL_PART = 3  # times as long as the last peek took
_NOW = "SELECT pg_current_wal_flush_lsn()::text, substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8)"


class ChangeReader:
    """A connection that peeks at the changes behind the slot of a source."""

    def __init__(self, connection: Connection, position: Position) -> None:
        self._slot, self._publication = name_of(connection), publication_of(connection)
        self._source = f"{URN}{connection.source}"
        self._database = connect(connection)
        with closed_on_failure(self._database):
            self._begin(connection, position)

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
        prefix = connection.settings["message_prefix"]
        self._stream = ChangeStream(database, self._tables, self._timeline, self._source, prefix)
        self._stream.begin(position)
        self._copy = Copy(database, self._tables, self._publication, position) if "copy" in position else None
        self._peek: Peek | None = None
        self._upto = ""
        self._looked_at = ""  # the LSN up to which everything was read
        self._to_advance = ""
        self._next_look = 0.0

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
            return Lag(position=self._stream.passed)
        kept = max(0, slot.current - slot.confirmed)
        return Lag(seconds=self._age(slot), position=self._stream.passed, bytes=kept, warning=slot.warning)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def _age(self, slot: Slot) -> float | None:
        if self._peek is None and self._copy is None and slot.current <= parse_lsn(self._looked_at or "0/0"):
            return 0.0
        latest = self._stream.last_time
        return None if latest is None else max(0.0, (datetime.now(UTC) - latest).total_seconds())

    # The copy.

    def _copied(self, limit: int) -> list[Record]:
        """Return the next rows of the copy; none while it cannot begin, or when it has ended."""
        copy = self._copy
        if copy is None or not copy.begin():
            return []
        found = copy.rows(limit)
        if found is None:
            self._stream.begin(copy.end())
            self._copy = None
            return []
        table, columns, rows = found
        changes = changes_of_table(self._database, table, columns)
        run = copy.position["copy"]["run"]
        self._stream.passed = rows[-1][1]
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
                for record in self._stream.of(lsn, data):
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
        self._stream.begin_again()
        self._next_look = time.monotonic() + POLL_PART * (time.monotonic() - began)
        return True

    def _end_peek(self, peek: Peek) -> None:
        """Note how far the slot can be advanced when the records before are stored."""
        peek.close()
        self._peek = None
        if peek.count < MAX_CHANGES:
            self._looked_at = self._to_advance = self._upto
        else:
            self._to_advance = format_lsn(self._stream.done)
            self._next_look = 0.0

    def _advance(self) -> None:
        if self._to_advance:
            advance_slot(self._database, self._slot, self._to_advance)
            self._to_advance = ""
