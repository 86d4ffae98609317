"""Copy the rows that tables have when their changes begin to be read, so that none is lost or comes twice.

The slot is created first; then the rows are read in one snapshot, by primary key; then the changes behind the slot are
read, without those of transactions that the snapshot contains. A transaction of the server keeps the snapshot, and
other processes import it by its name. If that transaction has ended, the copy goes on in a new snapshot: from then on,
rows after the last key are as the new snapshot has them. So the position has segments, each a snapshot and where it
begins, and a change is left out if the snapshot of its row's segment contains its transaction.

A transaction that wrote its commit before the slot's beginning may become visible only after it, if its commit waits
for a standby. So the first snapshot is made when all transactions have ended that were open after the slot's creation.
"""

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors, sql

from webhooks.sources.kinds.postgres.connect import BytesLoader, Database
from webhooks.sources.kinds.postgres.tables import Table

CHUNK_BYTES = 4 * 1024**2  # of rows that are read at a time, after which reading ends
KEEP_SNAPSHOT = "10min"  # while other processes read in it

_SNAPSHOT = "SELECT pg_current_snapshot()::text, pg_export_snapshot()::text, pg_current_wal_insert_lsn()::text"
_COLUMNS = """
    SELECT to_jsonb(p) ->> 'rowfilter', ARRAY(SELECT jsonb_array_elements_text(to_jsonb(p) -> 'attnames'))::text[]
      FROM pg_publication_tables p WHERE pubname = %s AND schemaname = %s AND tablename = %s
"""


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows after a key of a table, and all tables after it, as a snapshot has them."""

    table: int
    after: tuple[str, ...] | None
    snapshot: str

    def contains(self, xid: int) -> bool:
        """Return whether its rows have the changes of a transaction, given the last 32 bits of its number."""
        lowest, following, running = self.snapshot.split(":")
        number = int(following) + (xid - int(following) + 2**31) % 2**32 - 2**31
        if number < int(lowest):
            return True
        return number < int(following) and str(number) not in running.split(",")


def segments_of(position: dict[str, Any]) -> list[Segment]:
    """Return the segments in a position."""
    return [
        Segment(it["table"], None if it["after"] is None else tuple(it["after"]), it["snapshot"])
        for it in position.get("segments", [])
    ]


class Copy:
    """The rows of tables in a snapshot, by primary key, from the place in ``position``, which it changes."""

    def __init__(self, database: Database, tables: Sequence[Table], publication: str, position: dict[str, Any]) -> None:
        self._database, self._tables, self._publication = database, tables, publication
        self.position = position
        self._waits_for: int | None = None
        self._is_begun = False
        self._statements: dict[int, tuple[sql.Composed, list[str], list[int]]] = {}

    def begin(self) -> bool:
        """Make the snapshot, or import it; return False while transactions must end before."""
        if self._is_begun:
            return True
        copy = self.position["copy"]
        if not copy.get("snapshot") and not self._others_have_ended():
            return False
        if not (copy.get("snapshot") and self._import(copy["snapshot"])):
            self._begin()
            [(snapshot, name, lsn)] = self._database.rows(_SNAPSHOT)
            segment = {"table": copy["table"], "after": copy["after"], "snapshot": snapshot.decode()}
            self.position = {
                **self.position,
                "copy": {**copy, "snapshot": name.decode()},
                "segments": [*self.position.get("segments", []), segment],
                "until": lsn.decode(),
            }
        self._is_begun = True
        return True

    def rows(self, limit: int) -> tuple[Table, list[str], list[tuple[tuple[bytes | None, ...], dict[str, Any]]]] | None:
        """Return a table, its columns, and its next rows, each with the position behind it; None: all are copied."""
        while (copy := self.position["copy"])["table"] < len(self._tables):
            table = self._tables[copy["table"]]
            statement, columns, types = self._statement(copy["table"])
            values, is_complete = self._values(table, statement, types, copy["after"], limit)
            rows = []
            for row in values:
                after = [_known(row[columns.index(name)]).decode() for name in table.key]
                self.position = {**self.position, "copy": {**self.position["copy"], "after": after}}
                rows.append((row, self.position))
            if is_complete:
                copy = {**self.position["copy"], "table": copy["table"] + 1, "after": None}
                self.position = {**self.position, "copy": copy}
            if rows:
                return table, columns, rows
        return None

    def end(self) -> dict[str, Any]:
        """End the snapshot; return the position from which changes are read."""
        self.close()
        return {name: value for name, value in self.position.items() if name != "copy"}

    def close(self) -> None:
        """End the transaction of the snapshot."""
        with suppress(psycopg.Error):
            self._database.execute("ROLLBACK")
        self._is_begun = False

    def _others_have_ended(self) -> bool:
        [(lowest, following)] = self._database.rows(
            "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() s"
        )
        if self._waits_for is None:
            self._waits_for = following
        return bool(lowest >= self._waits_for)

    def _begin(self) -> None:
        self._database.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._database.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{KEEP_SNAPSHOT}'")

    def _import(self, name: str) -> bool:
        self._begin()
        try:
            self._database.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(name)))
        except (errors.InvalidParameterValue, errors.UndefinedObject, errors.ObjectNotInPrerequisiteState):
            self._database.execute("ROLLBACK")
            return False
        return True

    def _statement(self, place: int) -> tuple[sql.Composed, list[str], list[int]]:
        """Return the statement that reads a table, without the key to begin after, its columns and their types."""
        if place not in self._statements:
            table = self._tables[place]
            found = self._database.rows(_COLUMNS, (self._publication, table.schema, table.name))
            row_filter, names = found[0] if found else (None, None)
            columns = [bytes(name).decode() for name in names] if names else []
            columns = columns or [it.name for it in table.columns.values() if not it.is_generated]
            statement = sql.SQL("SELECT {} FROM {}{} AS t WHERE {}").format(
                sql.SQL(", ").join(sql.Identifier("t", name) for name in columns),
                sql.SQL("ONLY " if table.kind == "r" else ""),
                table.identifier,
                sql.SQL(row_filter.decode()) if row_filter else sql.SQL("true"),
            )
            described = self._database.execute(statement + sql.SQL(" LIMIT 0")).description or []
            self._statements[place] = statement, columns, [it.type_code for it in described]
        return self._statements[place]

    def _values(
        self, table: Table, statement: sql.Composed, types: Sequence[int], after: Sequence[str] | None, limit: int
    ) -> tuple[list[tuple[bytes | None, ...]], bool]:
        """Return the next rows in text form, and whether they are the last ones.

        Rows come one by one, since of a group, whose size is not known before, all would be in memory. To end that
        early ends the statement, but not the transaction that has the snapshot.
        """
        key = sql.SQL(", ").join(sql.Identifier("t", name) for name in table.key)
        if after is not None:
            statement += sql.SQL(" AND ({}) > ({})").format(key, key_values(table, after))
        statement += sql.SQL(" ORDER BY {} LIMIT {}").format(key, sql.Literal(limit))
        cursor = self._database.cursor()
        for oid in types:
            cursor.adapters.register_loader(oid, BytesLoader)
        rows: list[tuple[bytes | None, ...]] = []
        size = 0
        self._database.execute("SAVEPOINT waypost_rows")
        with closing(cursor.stream(statement, size=1)) as found:  # type: ignore[type-var]  # a generator
            for row in found:
                rows.append(row)
                size += sum(len(value or b"") for value in row)
                if size >= CHUNK_BYTES:
                    break
        self._database.execute("ROLLBACK TO SAVEPOINT waypost_rows")
        self._database.execute("RELEASE SAVEPOINT waypost_rows")
        return rows, size < CHUNK_BYTES and len(rows) < limit


def key_values(table: Table, values: Sequence[str]) -> sql.Composed:
    """Return the values of a primary key in text form as they stand in a comparison."""
    typed = [
        sql.SQL("{}::" + table.columns[name].type).format(sql.Literal(value))
        for name, value in zip(table.key, values, strict=True)
    ]
    return sql.SQL(", ").join(typed)


def is_after(database: Database, table: Table, values: Sequence[str], other: Sequence[str]) -> bool:
    """Return whether a key is after another one, in the order of the table's primary key."""
    statement = sql.SQL("SELECT ({}) > ({})").format(key_values(table, values), key_values(table, other))
    return bool(database.rows(statement)[0][0])


def _known(value: bytes | None) -> bytes:
    return b"" if value is None else value
