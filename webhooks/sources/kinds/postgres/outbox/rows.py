"""Select what to read next in an outbox table.

Rows that are deleted or marked after reading need no cursor: what is there is unread, in whatever order transactions
committed it. A table whose rows are left has a cursor by (time, id), and two problems with late commits:

1. A row may become visible behind the cursor, because its transaction committed later than others with greater times.
   So besides the rows after the cursor, those behind it are looked through whose transactions had not ended at the last
   such look: their number is at least ``horizon``, the xmin of the snapshot of that look. Ids of subtransactions are
   greater than those of their transactions, so they are found too; ``pg_visible_in_snapshot`` does not know them. What
   was read already is known by id in this process; after a restart it is read once more and is a duplicate.
2. The look must not read the whole table. A row's time is not before the start of its transaction, less a margin for
   clocks that differ. ``since`` is a moment before the start of every transaction at or above the horizon: the oldest
   start that pg_stat_activity shows, read before the snapshot. A role that may not see the transactions of others
   gets the moment at which no transaction above the horizon had a number yet.

So a transaction may stay open for any time without losing its rows.
"""

import time
from collections import OrderedDict
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Any

from psycopg import sql

from webhooks.sources.kinds.postgres.connect import Database
from webhooks.sources.kinds.postgres.outbox.columns import OutboxColumns
from webhooks.sources.kinds.postgres.outbox.transactions import Transactions, full_number, full_number_of_row
from webhooks.sources.kinds.postgres.tables import Column, Table

MAX_FETCH_BYTES = 8 * 1024**2  # of one fetch, after which it ends
MAX_ROW_BYTES = 64 * 1024**2  # of a payload; a larger one is not read
MAX_HEADERS_BYTES = 16 * 1024  # of the headers of a row; no more of them is read than shows that there are more
MAX_TEXT = 10_000  # characters of any other column; likewise
LOOK_EVERY = 1.0  # seconds between two looks for late commits, at least
LOOK_PART = 20  # a look takes at most this part of the time
MAX_REMEMBERED = 500_000  # ids of rows read at or above the horizon


@dataclass(slots=True)
class Cursor:
    """Where reading a table goes on: after ``time`` and ``id`` (texts; None: from the first row), see above."""

    time: str | None
    id: str | None
    horizon: int
    since: str

    def position(self) -> dict[str, Any]:
        """Return the cursor as it is stored."""
        return {"time": self.time, "id": self.id, "horizon": self.horizon, "since": self.since}


NAMES = ("id", "payload", "is_large", "type", "headers", "key", "time", "source", "subject", "order", "xid")


class OutboxRows:
    """The rows of a table; each method runs in the transaction of its caller."""

    def __init__(self, database: Database, table: Table, columns: OutboxColumns, margin: int) -> None:
        self._database, self._table, self._columns, self._margin = database, table, columns, margin
        self._transactions = Transactions(database)
        self._remembered: OrderedDict[bytes, int] = OrderedDict()  # transactions of rows read, by id of the row
        self._looks_at = 0.0  # monotonic

    # A table whose rows are deleted or marked.

    def unread(self, limit: int, after: tuple[str | None, str | None]) -> list[dict[str, Any]]:
        """Return the next rows that are there."""
        return self._select(self._conditions(after), limit)

    # A table whose rows are left.

    def begin(self) -> Cursor:
        """Return a cursor before the first row."""
        since = self._transactions.oldest_start()
        horizon, following = self._transactions.snapshot()
        self._transactions.observe(following, since)
        return Cursor(None, None, horizon, since)

    def after(self, cursor: Cursor, limit: int) -> list[dict[str, Any]]:
        """Return the next rows after the cursor, and move it behind them."""
        rows = self._select(self._conditions((cursor.time, cursor.id)), limit)
        for row in rows:
            self._remember(row, cursor)
        if rows:
            cursor.time, cursor.id = _text(rows[-1]["order"]), _text(rows[-1]["id"])
        return rows

    def late(self, cursor: Cursor, limit: int) -> list[dict[str, Any]] | None:
        """Return rows behind the cursor that became visible since the last look, and move the horizon behind them.

        None: it is too early to look. The caller runs this in a transaction of its own, because the oldest start is
        read before the snapshot.
        """
        began = time.monotonic()
        if began < self._looks_at or cursor.time is None:
            return None
        transactions = self._transactions
        since = transactions.oldest_start()
        with self._database.transaction():
            self._database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            horizon, following = transactions.snapshot()
            missed = [id for id in self._behind(cursor, following) if id not in self._remembered]
            rows = self._by_ids(missed[:limit])
        for row in rows:
            self._remember(row, cursor)
        if len(rows) == len(missed):
            since = since if transactions.sees_all else transactions.no_number_above(horizon, cursor.since)
            cursor.horizon, cursor.since = horizon, since
            self._forget_below(horizon)
        transactions.observe(following, transactions.now)
        self._looks_at = began + max(LOOK_EVERY, LOOK_PART * (time.monotonic() - began))
        return rows

    # Both.

    def delete(self, ids: Sequence[str]) -> None:
        """Delete rows."""
        statement = sql.SQL("DELETE FROM {table} AS t WHERE {id} = ANY(%s::text[]::{type}[])")
        self._database.execute(self._format(statement), (list(ids),))

    def mark(self, ids: Sequence[str]) -> None:
        """Set the mark of rows."""
        statement = sql.SQL(
            "UPDATE {table} AS t SET {mark_name} = {value} WHERE {id} = ANY(%s::text[]::{type}[]) AND {unread}"
        )
        self._database.execute(self._format(statement), (list(ids),))

    def last(self) -> list[dict[str, Any]]:
        """Return the last row there is."""
        return self._select(sql.SQL("true"), 1, is_last=True)

    def waiting(self, after: tuple[str | None, str | None], limit: int) -> tuple[int, float | None]:
        """Return the number of unread rows, counted up to a limit, and the age of the first one in seconds."""
        statement = sql.SQL(
            "SELECT count(*), extract(epoch FROM clock_timestamp() - min(at))::float8 FROM ("
            "SELECT {at} AS at FROM {table} AS t WHERE {conditions} ORDER BY {order} LIMIT {limit}) AS unread"
        )
        found = self._format(statement, conditions=self._conditions(after), limit=sql.Literal(limit))
        [(number, seconds)] = self._database.rows(found)
        return number, None if seconds is None else max(0.0, seconds)

    def _conditions(self, after: tuple[str | None, str | None]) -> sql.Composable:
        found: list[sql.Composable] = []
        if self._columns.mark is not None:
            found.append(self._format(sql.SQL("{unread}")))
        moment, id = after
        if self._columns.time is None and id is not None:
            found.append(self._format(sql.SQL("{id} > {after}::{type}"), after=sql.Literal(id)))
        elif moment is not None and id is not None:
            statement = sql.SQL("({time}, {id}) > ({moment}::{time_type}, {after}::{type})")
            found.append(self._format(statement, moment=sql.Literal(moment), after=sql.Literal(id)))
        elif moment is not None:
            found.append(self._format(sql.SQL("{time} >= {moment}::{time_type}"), moment=sql.Literal(moment)))
        return sql.SQL(" AND ").join(found) if found else sql.SQL("true")

    def _behind(self, cursor: Cursor, following: int) -> Iterable[bytes]:
        """Return the ids of all rows behind the cursor whose transactions are at or above the horizon."""
        statement = sql.SQL(
            "SELECT {id}::text FROM {table} AS t WHERE {time} >= {since}::timestamptz::{time_type} - {margin}"
            " AND ({time}, {id}) <= ({moment}::{time_type}, {after}::{type}) AND {xid} >= {horizon}"
            " ORDER BY {time}, {id}"
        )
        found = self._format(
            statement,
            since=sql.Literal(cursor.since),
            margin=sql.SQL("make_interval(secs => {})").format(sql.Literal(self._margin)),
            moment=sql.Literal(cursor.time),
            after=sql.Literal(cursor.id),
            xid=full_number_of_row(following),
            horizon=sql.Literal(cursor.horizon),
        )
        return [id for (id,) in self._database.rows(found)]

    def _by_ids(self, ids: Sequence[bytes]) -> list[dict[str, Any]]:
        if not ids:
            return []
        condition = sql.SQL("{id} = ANY({ids}::text[]::{type}[])")
        return self._select(self._format(condition, ids=sql.Literal([_text(id) for id in ids])), len(ids))

    def _select(self, conditions: sql.Composable, limit: int, *, is_last: bool = False) -> list[dict[str, Any]]:
        """Return rows in order; fewer than there are if their payloads are large."""
        columns = self._columns
        values = [
            sql.SQL("left({}, {})").format(self._format(sql.SQL("{id}::text")), sql.Literal(MAX_TEXT + 1)),
            sql.SQL("CASE WHEN octet_length(plain) <= {} THEN plain END").format(sql.Literal(MAX_ROW_BYTES)),
            sql.SQL("octet_length(plain) > {}").format(sql.Literal(MAX_ROW_BYTES)),
            _as_text(columns.type),
            _as_text(columns.headers, MAX_HEADERS_BYTES),
            _as_text(columns.key),
            self._time_as_rfc3339(),
            *(_as_text(column) for column in (columns.source, columns.subject, columns.time)),
            sql.SQL("t.xmin::text::bigint"),
        ]
        is_bytes = columns.payload.type == "bytea"
        mapped = (getattr(columns, it.name) for it in fields(columns))
        names = dict.fromkeys(it.name for it in mapped if it is not None)
        statement = self._format(
            # Texts are made after the limit, one row at a time; OFFSET 0: once, and not again for its size.
            sql.SQL(
                "SELECT {values} FROM ("
                "SELECT {stored}, t.xmin FROM {table} AS t WHERE {conditions} ORDER BY {order} LIMIT {limit}"
                ") AS t CROSS JOIN LATERAL (SELECT {plain} AS plain OFFSET 0) AS body ORDER BY {order}"
            ),
            values=sql.SQL(", ").join(values),
            stored=sql.SQL(", ").join(sql.Identifier("t", name) for name in names),
            plain=self._format(sql.SQL("{payload}" if is_bytes else "{payload}::text")),
            conditions=conditions,
            order=self._order(is_last=is_last),
            limit=sql.Literal(limit),
        )
        rows: list[dict[str, Any]] = []
        size = 0
        with closing(self._stream(statement)) as found:  # the rest is not read
            for values_of_row in found:
                row = dict(zip(NAMES, values_of_row, strict=True))
                rows.append(row)
                size += sum(len(value) for value in values_of_row if isinstance(value, bytes))
                if size >= MAX_FETCH_BYTES:
                    break
        return rows

    def _stream(self, statement: sql.Composed) -> Generator[tuple[Any, ...], None, None]:
        """Yield rows one by one: of a group of rows, whose size is not known before, all would be in memory."""
        yield from self._database.cursor().stream(statement, size=1)

    def _time_as_rfc3339(self) -> sql.Composable:
        column = self._columns.time
        if column is None:
            return sql.SQL("NULL::text")
        form = sql.Literal('YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        return sql.SQL("to_char({}::timestamptz AT TIME ZONE 'UTC', {})").format(sql.Identifier("t", column.name), form)

    def _order(self, *, is_last: bool = False) -> sql.Composable:
        direction = sql.SQL(" DESC NULLS LAST" if is_last else "")
        names = [it.name for it in (self._columns.time, self._columns.id) if it is not None]
        return sql.SQL(", ").join(sql.Identifier("t", name) + direction for name in names)

    def _format(self, statement: sql.SQL, **more: sql.Composable) -> sql.Composed:
        """Fill in the names of the table, and more."""
        columns, found = self._columns, dict(more)
        found.setdefault("table", self._table.identifier)
        found.setdefault("order", self._order())
        found["id"], found["type"] = sql.Identifier("t", columns.id.name), sql.SQL(columns.id.type)
        found["payload"] = sql.Identifier("t", columns.payload.name)
        found["at"] = sql.SQL("NULL::timestamptz")
        if columns.time is not None:
            found["time"] = sql.Identifier("t", columns.time.name)
            found["time_type"] = sql.SQL(columns.time.type)
            found["at"] = sql.SQL("{}::timestamptz").format(found["time"])
        if columns.mark is not None:
            mark, is_flag = sql.Identifier("t", columns.mark.name), columns.mark.type == "boolean"
            found["mark_name"], found["value"] = (
                sql.Identifier(columns.mark.name),
                sql.SQL("true" if is_flag else "statement_timestamp()"),
            )
            found["unread"] = sql.SQL("{} IS NOT TRUE" if is_flag else "{} IS NULL").format(mark)
        return statement.format(**found)

    def _remember(self, row: dict[str, Any], cursor: Cursor) -> None:
        """Remember that a row was read, if the next looks may find it; forget the oldest of too many."""
        number = full_number(row["xid"], cursor.horizon)
        if number >= cursor.horizon:
            self._remembered[row["id"]] = number
            if len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)

    def _forget_below(self, horizon: int) -> None:
        for id in [id for id, number in self._remembered.items() if number < horizon]:
            del self._remembered[id]


def _as_text(column: Column | None, most: int = MAX_TEXT) -> sql.Composable:
    """Return the text of a column, and one character more than there may be of one that is too long."""
    if column is None:
        return sql.SQL("NULL::text")
    return sql.SQL("left({}::text, {})").format(sql.Identifier("t", column.name), sql.Literal(most + 1))


def _text(value: bytes) -> str:
    return value.decode()
