"""Read the rows of an outbox table in another PostgreSQL: the kind ``postgres_outbox``.

An application writes what it has to say into a table, in the transaction that changes its data. Each row becomes a
CloudEvent whose attributes come from columns. See ``rows`` for why late commits are not skipped.
"""

from datetime import datetime
from typing import Any

from webhooks.sources.kinds.kind import (
    Connection,
    InvalidSettings,
    Kind,
    Position,
    Reader,
    Sample,
    SeekTarget,
)
from webhooks.sources.kinds.postgres.connect import CONNECT_SETTINGS, check_not_own, connect
from webhooks.sources.kinds.postgres.outbox.columns import find_outbox
from webhooks.sources.kinds.postgres.outbox.reader import MAX_COUNTED, OutboxReader
from webhooks.sources.kinds.postgres.outbox.records import make_record
from webhooks.sources.kinds.postgres.outbox.rows import OutboxRows
from webhooks.sources.kinds.postgres.outbox.settings import (
    AFTER,
    CHANNEL,
    COLUMNS,
    CONTENT_TYPE,
    EVENT_TYPE,
    MARGIN,
    TABLE,
)
from webhooks.sources.kinds.postgres.tables import is_table_name
from webhooks.wire.ids import URN


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
        source = f"{URN}{connection.source}"
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
