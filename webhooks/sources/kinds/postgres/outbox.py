"""Read the rows of an outbox table in another PostgreSQL: the kind ``postgres_outbox``.

An application writes what it has to say into a table, in the transaction that changes its data. Each row becomes a
CloudEvent whose attributes come from columns. See ``outbox_rows`` for why late commits are not skipped.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from psycopg import errors, sql

from webhooks.sources.kinds.kind import (
    Connection,
    InvalidSettings,
    Kind,
    Lag,
    Position,
    Reader,
    Record,
    Sample,
    SeekTarget,
    Setting,
    SourceUnavailable,
)
from webhooks.sources.kinds.postgres.connect import CONNECT_SETTINGS, Database, check_not_own, connect, reported
from webhooks.sources.kinds.postgres.outbox_rows import (
    MAX_HEADERS_BYTES,
    MAX_ROW_BYTES,
    MAX_TEXT,
    Cursor,
    OutboxColumns,
    OutboxRows,
)
from webhooks.sources.kinds.postgres.tables import Column, Table, find_table, is_table_name
from webhooks.wire import header_values

POLL_EVERY = 0.25  # seconds between two looks at the table while a fetch waits
MAX_COUNTED = 10_000  # unread rows that are counted for the lag
MAX_HEADERS = 100  # of a row
TIME_TYPES = ("timestamp with time zone", "timestamp without time zone")
JSON_TYPES = ("json", "jsonb")

TABLE = Setting(
    "table",
    "Table",
    "The outbox: a table, or schema.table, written as in the catalog (case matters).",
    is_required=True,
    names_place=True,
    max_length=130,
    example="public.outbox",
)
AFTER = Setting(
    "after",
    "After reading",
    "delete: rows are deleted after they are stored. mark: mark_column is set. leave: rows stay, and a cursor by "
    "time_column and id_column is kept here.",
    default="delete",
    choices=("delete", "mark", "leave"),
    names_place=True,
)
CHANNEL = Setting(
    "channel",
    "Channel",
    "A channel that writers of the outbox NOTIFY, so that rows are read at once. Empty: the table is polled at least "
    "once a second.",
    max_length=63,
    example="outbox",
)
MARGIN = Setting(
    "margin_seconds",
    "Margin",
    "With leave: how many seconds the clock that writes time_column may be behind the clock of the server.",
    "number",
    default=60,
    minimum=1,
    maximum=86_400,
)
EVENT_TYPE = Setting(
    "event_type", "Event type", "Type of all events, instead of type_column.", max_length=256, example="order.paid"
)
CONTENT_TYPE = Setting(
    "content_type",
    "Media type",
    "Of payloads in a text or bytea column; columns of json and jsonb are application/json.",
    default="application/json",
    max_length=200,
)


def _column(name: str, help_text: str, *, is_required: bool = False, example: str = "") -> Setting:
    default = name if is_required else None
    label = f"Column of the {name}"
    return Setting(f"{name}_column", label, help_text, default=default, max_length=63, example=example or name)


COLUMNS = (
    _column("id", "The id of a row, unique and never null: the event's id.", is_required=True),
    _column("payload", "The event's data: json, jsonb, text or bytea.", is_required=True),
    _column("type", "The event's type. Without it and event_type, the payload is taken as it is."),
    _column("headers", "A JSON object of strings: headers of the message.", example="headers"),
    _column("key", "Order key: messages of a key are handled in order.", example="aggregate_id"),
    _column(
        "time",
        "When the event happened: timestamptz or timestamp (in UTC). Rows are read in its order.",
        example="created_at",
    ),
    _column("source", "The event's source, a URI reference. Without it: urn:waypost: and the id of the source."),
    _column("subject", "The event's subject."),
    _column("mark", "With mark: a boolean, or a time that is null until the row was read.", example="published_at"),
)


class OutboxReader:
    """A connection that reads a table, and one more that listens if there is a channel to listen to."""

    def __init__(self, connection: Connection, position: Position) -> None:
        settings = connection.settings
        self._source, self._after = f"urn:waypost:{connection.source}", settings["after"]
        self._settings = settings
        self._bound = _bound(position)
        self._database = connect(connection)
        try:
            with self._database.limit():
                table, columns = find_outbox(self._database, settings)
                self._columns = columns
                self._rows = OutboxRows(self._database, table, columns, settings["margin_seconds"])
                self._cursor = self._begin(position)
                if channel := settings.get("channel"):
                    self._database.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        except BaseException:
            self._database.close()
            raise

    def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        """Return the next rows; wait for the first one so many seconds at most. Raises SourceUnavailable."""
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


class PostgresOutbox(Kind):
    """Rows of an outbox table."""

    name = "postgres_outbox"
    label = "PostgreSQL outbox"
    description = (
        "Each row that is committed to a table of another PostgreSQL becomes one event, however late its transaction "
        "commits, and once as long as its receipt is kept."
    )
    settings = (*CONNECT_SETTINGS, TABLE, *COLUMNS, EVENT_TYPE, CONTENT_TYPE, AFTER, CHANNEL, MARGIN)
    modules = ("psycopg",)
    idle_seconds = 0.5

    def check(self, connection: Connection) -> None:
        """Check settings together. Raises InvalidSettings."""
        check_not_own(connection)
        settings = connection.settings
        problems = {}
        if not is_table_name(settings["table"]):
            problems[TABLE.path] = "Must be a table, or schema.table."
        if settings["after"] == "mark" and not settings.get("mark_column"):
            problems["settings.mark_column"] = "Is required where after is mark."
        if settings["after"] == "leave" and not settings.get("time_column"):
            problems["settings.time_column"] = "Is required where after is leave."
        if settings.get("type_column") and settings.get("event_type"):
            problems[EVENT_TYPE.path] = "Must not be given together with type_column."
        if problems:
            raise InvalidSettings(problems)

    def test(self, connection: Connection) -> Sample:
        """Connect, look for the table and its columns, and return its last row. Raises SourceUnavailable."""
        database = connect(connection)
        try:
            with database.limit(5.0):
                table, columns = find_outbox(database, connection.settings)
                rows = OutboxRows(database, table, columns, connection.settings["margin_seconds"])
                number, _ = rows.waiting((None, None), MAX_COUNTED)
                last = rows.last()
        finally:
            database.close()
        many = f"more than {MAX_COUNTED - 1:,} rows" if number >= MAX_COUNTED else f"{number:,} rows"
        source = f"urn:waypost:{connection.source}"
        record = make_record(last[0], None, columns, connection.settings, source) if last else None
        return Sample(f"The table {table.full_name} has {many} that are not read.", record)

    def seek(self, connection: Connection, partition: str, to: SeekTarget) -> Position:
        """Return the position before the first row, behind the last one, or at a time."""
        database = connect(connection)
        try:
            with database.limit():
                table, columns = find_outbox(database, connection.settings)
                rows = OutboxRows(database, table, columns, connection.settings["margin_seconds"])
                if to == "earliest":
                    return None
                if isinstance(to, datetime):
                    if columns.time is None:
                        raise InvalidSettings({"to": "Needs time_column, which this source does not have."})
                    found: dict[str, Any] = {"time": to.isoformat(), "id": None}
                else:
                    last = rows.last()
                    if not last:
                        return None
                    moment = last[0]["order"]
                    found = {"time": moment and moment.decode(), "id": last[0]["id"].decode()}
                return {**rows.begin().position(), **found} if connection.settings["after"] == "leave" else found
        finally:
            database.close()

    def open(self, connection: Connection, partition: str, position: Position) -> Reader:
        """Connect and return a reader of the table. Raises SourceUnavailable."""
        return OutboxReader(connection, position)

    def remove(self, connection: Connection) -> None:
        """Do nothing: the table is not ours."""


def find_outbox(database: Database, settings: Mapping[str, Any]) -> tuple[Table, OutboxColumns]:
    """Return the table and the columns that the settings name. Raises SourceUnavailable."""
    table = find_table(database, settings["table"], TABLE.path)
    if not table.is_readable:
        raise SourceUnavailable(f"The role may not read {table.full_name}; GRANT SELECT to it.", TABLE.path)
    found = {setting.name.removesuffix("_column"): _find(table, settings, setting.name) for setting in COLUMNS}
    if settings["after"] != "mark":
        found["mark"] = None
    columns = OutboxColumns(**found)  # type: ignore[arg-type]
    _check_types(columns, settings["after"])
    _check_rights(table, columns, settings["after"])
    return table, columns


def _find(table: Table, settings: Mapping[str, Any], setting: str) -> Column | None:
    name = settings.get(setting)
    if name is None:
        return None
    if name not in table.columns:
        known = ", ".join(list(table.columns)[:20])
        raise SourceUnavailable(
            f"The table {table.full_name} has no column {name}; it has {known}.", f"settings.{setting}"
        )
    return table.columns[name]


def _check_types(columns: OutboxColumns, after: str) -> None:
    payloads = (*JSON_TYPES, "text", "bytea", "character varying")
    if columns.payload.type not in payloads:
        raise SourceUnavailable(f"Must be a column of {', '.join(payloads)}.", "settings.payload_column")
    if not columns.id.is_required:
        raise SourceUnavailable("Must be a column that is NOT NULL, and unique.", "settings.id_column")
    if columns.headers is not None and columns.headers.type not in (*JSON_TYPES, "text"):
        raise SourceUnavailable("Must be a column of json, jsonb or text.", "settings.headers_column")
    if columns.time is not None and columns.time.type not in TIME_TYPES:
        raise SourceUnavailable(f"Must be a column of {' or '.join(TIME_TYPES)}.", "settings.time_column")
    if after == "leave" and columns.time is not None and not columns.time.is_required:
        raise SourceUnavailable("Must be NOT NULL where after is leave.", "settings.time_column")
    if columns.mark is not None and columns.mark.type not in ("boolean", *TIME_TYPES):
        raise SourceUnavailable("Must be a column of boolean or timestamp with time zone.", "settings.mark_column")


def _check_rights(table: Table, columns: OutboxColumns, after: str) -> None:
    if after == "delete" and not table.is_deletable:
        text = f"The role may not delete rows of {table.full_name}; GRANT DELETE to it, or choose mark or leave."
        raise SourceUnavailable(text, AFTER.path)
    if columns.mark is not None and not columns.mark.is_writable:
        text = f"The role may not set {columns.mark.name}; GRANT UPDATE ({columns.mark.name}) to it, or choose leave."
        raise SourceUnavailable(text, AFTER.path)


def make_record(
    row: dict[str, Any], position: Position, columns: OutboxColumns, settings: Mapping[str, Any], source: str
) -> Record:
    """Return the record of a row: a CloudEvent in binary mode if the row has a type, else its payload as it is."""
    problem = f"The payload is larger than {MAX_ROW_BYTES // 1024**2} MiB." if row["is_large"] else ""
    texts: dict[str, str] = {}
    for name in ("id", "type", "key", "time", "source", "subject"):
        try:
            texts[name] = (row[name] or b"").decode()
        except UnicodeDecodeError:
            if name == "id":  # the row could be neither deleted nor marked
                raise SourceUnavailable("A value of the column is not UTF-8.", "settings.id_column") from None
            texts[name] = (row[name] or b"").decode(errors="replace")
            problem = f"The column of the {name} is not UTF-8."
        if len(texts[name]) > MAX_TEXT:
            problem = f"The column of the {name} has more than {MAX_TEXT:,} characters."
            if name == "id":
                raise SourceUnavailable(problem, "settings.id_column")
    event_type = texts["type"] or settings.get("event_type") or ""
    headers, wrong = _headers(row["headers"])
    if event_type:
        attributes = {"specversion": "1.0", "id": texts["id"], "type": event_type, "source": texts["source"] or source}
        attributes |= {name: texts[name] for name in ("subject", "time") if texts[name]}
        headers |= {f"ce-{name}": header_values.encode(value) for name, value in attributes.items()}
    is_json = columns.payload.type in JSON_TYPES
    return Record(
        id=texts["id"],
        body=bytes(row["payload"] or b""),
        position=position,
        headers=headers,
        content_type="application/json" if is_json else settings["content_type"],
        time=_moment(texts["time"]),
        event_type=event_type,
        order_key=texts["key"],
        problem=problem or wrong,
        handle=texts["id"],
    )


def _headers(value: bytes | None) -> tuple[dict[str, str], str]:
    """Return the headers in a column, in lower case, and what is wrong with them."""
    if value is None:
        return {}, ""
    if len(value) > MAX_HEADERS_BYTES:
        return {}, f"The headers have more than {MAX_HEADERS_BYTES // 1024} KiB."
    try:
        found = orjson.loads(value)
    except ValueError:
        return {}, "The headers are not JSON."
    if not isinstance(found, dict) or len(found) > MAX_HEADERS:
        return {}, f"The headers are not an object of at most {MAX_HEADERS} strings."
    headers = {}
    for name, text in found.items():
        if not header_values.is_name(name) or not isinstance(text, str) or not text.isprintable():
            return {}, f"The header {name[:100]!r} is not a name with a string of printable characters."
        headers[name.lower()] = text
    return headers, ""


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:  # a year after 9999
        return None


def _bound(position: Position) -> tuple[str | None, str | None]:
    return (None, None) if position is None else (position["time"], position["id"])
