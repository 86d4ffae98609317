"""Read an outbox: fetch its rows, and delete, mark or leave them when they are stored."""

import time
from collections.abc import Sequence
from typing import Any

from psycopg import errors, sql

from webhooks.sources.kinds.kind import Connection, Lag, Position, Record
from webhooks.sources.kinds.opening import closed_on_failure
from webhooks.sources.kinds.postgres.connect import connect, reported
from webhooks.sources.kinds.postgres.outbox.columns import find_outbox
from webhooks.sources.kinds.postgres.outbox.records import make_record
from webhooks.sources.kinds.postgres.outbox.rows import Cursor, OutboxRows
from webhooks.sources.kinds.postgres.outbox.settings import AFTER
from webhooks.wire.ids import URN

POLL_EVERY = 0.25  # seconds between two looks at the table while a fetch waits
MAX_COUNTED = 10_000  # unread rows that are counted for the lag


class OutboxReader:
    """A connection that reads a table, and one more that listens if there is a channel to listen to."""

    def __init__(self, connection: Connection, position: Position) -> None:
        settings = connection.settings
        self._source, self._after = f"{URN}{connection.source}", settings["after"]
        self._settings = settings
        self._bound = _bound(position)
        self._database = connect(connection)
        with closed_on_failure(self._database), self._database.limit():
            table, columns = find_outbox(self._database, settings)
            self._columns = columns
            self._rows = OutboxRows(self._database, table, columns, settings["margin_seconds"])
            self._cursor = self._begin(position)
            if channel := settings.get("channel"):
                self._database.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))

    def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        """Return the next rows; wait for the first one for at most ``wait`` seconds. Raises SourceUnavailable."""
        until = time.monotonic() + wait
        while True:
            with self._database.limit():
                records = self._read(limit)
            left = until - time.monotonic()
            if records or left <= 0:
                return records
            self._wait(left)

    def acknowledge(self, records: Sequence[Record]) -> None:
        """Delete or mark rows that are stored. Raises SourceUnavailable."""
        ids = [record.handle for record in records]
        with self._database.limit(), reported({errors.InsufficientPrivilege: AFTER.path}):
            if self._after == "delete":
                self._rows.delete(ids)
            elif self._after == "mark":
                self._rows.mark(ids)

    def lag(self) -> Lag:
        """Return how many rows are not read, up to MAX_COUNTED, and the age of the first. Raises SourceUnavailable."""
        after = self._bound if self._cursor is None else (self._cursor.time, self._cursor.id)
        with self._database.limit():
            return Lag(*self._rows.waiting(after, MAX_COUNTED))

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def _begin(self, position: Position) -> Cursor | None:
        if self._after != "leave":
            return None
        return Cursor(**position) if position is not None else self._rows.begin()

    def _read(self, limit: int) -> list[Record]:
        cursor = self._cursor
        if cursor is None:
            position = None if self._bound == (None, None) else dict(zip(("time", "id"), self._bound, strict=True))
            return [self._record(row, position) for row in self._rows.unread(limit, self._bound)]
        before = cursor.position()
        late = self._rows.late(cursor, limit)
        if late:
            positions = [before] * (len(late) - 1) + [cursor.position()]
            return [self._record(row, it) for row, it in zip(late, positions, strict=True)]
        rows = self._rows.after(cursor, limit)
        return [
            self._record(row, {**cursor.position(), "time": row["order"].decode(), "id": row["id"].decode()})
            for row in rows
        ]

    def _wait(self, seconds: float) -> None:
        """Wait for a notification, or until the table is polled again."""
        if not self._settings.get("channel"):
            time.sleep(min(POLL_EVERY, seconds))
            return
        with reported():
            for _ in self._database.notifies(timeout=min(1.0, seconds), stop_after=1):
                pass

    def _record(self, row: dict[str, Any], position: Position) -> Record:
        return make_record(row, position, self._columns, self._settings, self._source)


def _bound(position: Position) -> tuple[str | None, str | None]:
    return (None, None) if position is None else (position["time"], position["id"])
