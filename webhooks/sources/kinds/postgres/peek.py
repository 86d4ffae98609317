"""Peek at the changes behind a slot, in bounded memory, and advance nothing.

``pg_logical_slot_peek_binary_changes`` returns whole transactions, so one may have a million messages. The server keeps
them on its disk (a cursor), and a few are fetched at a time. The server decodes from the slot's restart_lsn at every
peek, so one peek returns many changes, and the slot is advanced behind them.

A message may have a gigabyte, and what is fetched at a time is in memory at once. So only messages that are small
enough for their number are fetched together; of others only the size, and they follow one by one, when they are read.
"""

from collections.abc import Iterator
from contextlib import suppress

import psycopg

from webhooks.sources.kinds.postgres.connect import Database

MAX_CHANGES = 10_000  # of one peek, to which the rest of the last transaction comes
MAX_MESSAGE_BYTES = 64 * 1024**2  # a larger change is not fetched
CHUNK_BYTES = 4 * 1024**2  # of the messages that are fetched together, the aim
MAX_CHUNK_BYTES = 16 * 1024**2  # the most
FIRST_CHUNK, MAX_CHUNK = 50, 1000  # messages

_DECLARE = """
    DECLARE waypost_peek SCROLL CURSOR FOR
     SELECT lsn::text, octet_length(data)::bigint,
            CASE WHEN octet_length(data) <= current_setting('waypost.most_bytes')::bigint THEN data END
       FROM pg_logical_slot_peek_binary_changes(%s, %s::pg_lsn, {changes},
            'proto_version', '1', 'publication_names', %s, 'messages', 'true')
"""


class Peek:
    """Messages behind a slot, in order, up to an LSN; in a transaction of the server that ``close`` ends."""

    def __init__(self, database: Database, slot: str, publication: str, upto: str) -> None:
        self._database = database
        self._number = FIRST_CHUNK
        self._left: list[tuple[int, str, int, bytes | None]] = []  # place in the cursor, LSN, size, bytes
        self._most_bytes = 0
        self.is_complete = False
        self.count = 0
        database.execute("BEGIN")
        statement = _DECLARE.format(changes=MAX_CHANGES)
        database.execute(psycopg.sql.SQL(statement), (slot, upto, _quoted(publication)))
        self._cursor = database.cursor(binary=True)

    def messages(self) -> Iterator[tuple[str, bytes | None]]:
        """Yield messages: LSN, and bytes (None: too large). May be left and called again."""
        while True:
            while self._left:
                place, lsn, size, data = self._left.pop()
                if data is None and size <= MAX_MESSAGE_BYTES:
                    data = self._fetch_one(place)
                yield lsn, data
            if self.is_complete:
                return
            self.fetch()

    def close(self) -> None:
        """End the transaction."""
        with suppress(psycopg.Error):
            self._database.execute("ROLLBACK")

    def fetch(self) -> None:
        """Fetch the next messages; the server decodes all of them at the first time."""
        most_bytes = min(MAX_MESSAGE_BYTES, MAX_CHUNK_BYTES // self._number)
        rows = self._fetched(f"FETCH {self._number} FROM waypost_peek", most_bytes)
        self._left = [(self.count + number, *row) for number, row in enumerate(rows, 1)][::-1]
        self.is_complete = len(rows) < self._number
        self.count += len(rows)
        fitting = self._number * CHUNK_BYTES // max(1, sum(size for _, size, _ in rows))
        self._number = max(1, min(MAX_CHUNK, 2 * self._number, fitting))

    def _fetch_one(self, place: int) -> bytes | None:
        """Fetch a message that is too large to be fetched with others, and go back behind the latest one."""
        [(_, _, data)] = self._fetched(f"FETCH ABSOLUTE {place} FROM waypost_peek", MAX_MESSAGE_BYTES)
        self._database.execute(psycopg.sql.SQL(f"MOVE ABSOLUTE {self.count} IN waypost_peek"))
        return data

    def _fetched(self, statement: str, most_bytes: int) -> list[tuple[str, int, bytes | None]]:
        """Return messages: LSN, size, and the bytes if they are at most ``most_bytes``."""
        if most_bytes != self._most_bytes:
            self._database.execute("SELECT set_config('waypost.most_bytes', %s, true)", (str(most_bytes),))
            self._most_bytes = most_bytes
        return self._cursor.execute(statement).fetchall()


def _quoted(name: str) -> str:
    """Return the name of a publication as an item of a list."""
    return '"' + name.replace('"', '""') + '"'
