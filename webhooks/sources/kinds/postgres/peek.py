"""Peek at the changes behind a slot, in bounded memory, and advance nothing.

``pg_logical_slot_peek_binary_changes`` returns whole transactions, so one may have a million messages. The server keeps
them on its disk (a cursor), and a few are fetched at a time. The server decodes from the slot's restart_lsn at every
peek, so one peek returns many changes, and the slot is advanced behind them.
"""

from collections.abc import Iterator
from contextlib import suppress

import psycopg

from webhooks.sources.kinds.postgres.connect import Database

MAX_CHANGES = 10_000  # of one peek, to which the rest of the last transaction comes
MAX_MESSAGE_BYTES = 64 * 1024**2  # a larger change is not fetched
CHUNK_BYTES = 4 * 1024**2  # in memory at a time; exceeded if changes suddenly are larger
FIRST_CHUNK, MAX_CHUNK = 50, 1000  # messages

_DECLARE = """
    DECLARE waypost_peek NO SCROLL CURSOR FOR
     SELECT lsn::text, CASE WHEN octet_length(data) <= {bytes} THEN data END
       FROM pg_logical_slot_peek_binary_changes(%s, %s::pg_lsn, {changes},
            'proto_version', '1', 'publication_names', %s, 'messages', 'true')
"""


class Peek:
    """Messages behind a slot, in order, up to an LSN; in a transaction of the server that ``close`` ends."""

    def __init__(self, database: Database, slot: str, publication: str, upto: str) -> None:
        self._database = database
        self._number = FIRST_CHUNK
        self._left: list[tuple[str, bytes | None]] = []
        self.is_complete = False
        self.count = 0
        database.execute("BEGIN")
        statement = _DECLARE.format(bytes=MAX_MESSAGE_BYTES, changes=MAX_CHANGES)
        database.execute(psycopg.sql.SQL(statement), (slot, upto, _quoted(publication)))
        self._cursor = database.cursor(binary=True)

    def messages(self) -> Iterator[tuple[str, bytes | None]]:
        """Yield messages: LSN, and bytes (None: too large). May be left and called again."""
        while True:
            while self._left:
                yield self._left.pop()
            if self.is_complete:
                return
            self.fetch()

    def close(self) -> None:
        """End the transaction."""
        with suppress(psycopg.Error):
            self._database.execute("ROLLBACK")

    def fetch(self) -> None:
        """Fetch the next messages; the server decodes all of them at the first time."""
        rows: list[tuple[str, bytes | None]] = self._cursor.execute(
            f"FETCH {self._number} FROM waypost_peek"
        ).fetchall()
        self.is_complete = len(rows) < self._number
        self.count += len(rows)
        size = sum(len(data or b"") for _, data in rows)
        fitting = self._number * CHUNK_BYTES // max(1, size)
        self._number = max(1, min(MAX_CHUNK, 2 * self._number, fitting))
        self._left = rows[::-1]


def _quoted(name: str) -> str:
    """Return the name of a publication as an item of a list."""
    return '"' + name.replace('"', '""') + '"'
