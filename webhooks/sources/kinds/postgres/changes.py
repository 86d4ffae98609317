"""Read the changes of tables in another PostgreSQL by logical replication: the kind ``postgres_changes``.

Changes are peeked at, stored with the position behind them, and then the slot is advanced. The position counts the
changes of the transaction that is being read, so a transaction of any size is stored in parts, and a reader that
starts again leaves out what is stored already.
"""

from typing import Any

from webhooks.sources.kinds.kind import (
    Connection,
    InvalidSettings,
    Kind,
    Position,
    Reader,
    Sample,
    SeekTarget,
    SourceUnavailable,
)
from webhooks.sources.kinds.postgres.change_reader import ChangeReader
from webhooks.sources.kinds.postgres.changed_tables import (
    COPY,
    MESSAGE_PREFIX,
    PUBLICATION,
    TABLES,
    find_tables,
    last_row,
)
from webhooks.sources.kinds.postgres.connect import (
    CONNECT_SETTINGS,
    USER,
    Database,
    OwnDatabase,
    check_not_own,
    connect,
)
from webhooks.sources.kinds.postgres.slot import (
    CREATE_SECONDS,
    advance_slot,
    check_publication,
    create_slot,
    drop_publication,
    drop_slot,
    find_slot,
    name_of,
    publish_tables,
)
from webhooks.sources.kinds.postgres.tables import is_table_name

_CAPABLE = """
    SELECT current_setting('wal_level'), (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user),
           pg_is_in_recovery()
"""
_NOW = "SELECT pg_current_wal_flush_lsn()::text"


class PostgresChanges(Kind):
    """Changes of tables, and logical messages."""

    name = "postgres_changes"
    label = "PostgreSQL changes"
    description = (
        "Each inserted, updated and deleted row of named tables, and each logical message, that another PostgreSQL "
        "commits becomes one event, in the order of the commits, and once as long as its receipt is kept."
    )
    settings = (*CONNECT_SETTINGS, TABLES, PUBLICATION, COPY, MESSAGE_PREFIX)
    modules = ("psycopg",)
    idle_seconds = 0.5

    def check(self, connection: Connection) -> None:
        """Check settings together. Raises InvalidSettings."""
        check_not_own(connection)
        settings = connection.settings
        tables = settings.get("tables") or []
        if wrong := [name for name in tables if not is_table_name(name)]:
            raise InvalidSettings({TABLES.path: f"Must be tables, or schema.table: {wrong[0][:100]!r}."})
        if settings["copy"] and not tables:
            raise InvalidSettings({COPY.path: "Needs tables."})

    def test(self, connection: Connection) -> Sample:
        """Connect, look for the tables and the right to replicate, and return the last row of the first table."""
        database = connect(connection)
        try:
            with database.limit(5.0):
                check_server(database)
                check_publication(database, connection)
                tables = find_tables(database, connection.settings)
                slot = find_slot(database, name_of(connection))
                record = last_row(database, tables[0]) if tables else None
        finally:
            database.close()
        place = "its replication slot exists" if slot else "its replication slot is created when it is read first"
        names = ", ".join(it.full_name for it in tables) or "logical messages only"
        return Sample(f"Changes can be read ({names}); {place}.", record)

    def seek(self, connection: Connection, partition: str, to: SeekTarget) -> Position:
        """Return the position behind the last change, or at the first one that the slot keeps; a lost slot is renewed.

        Where ``copy`` is set, the earliest is a new copy of the tables. Raises SourceUnavailable, InvalidSettings.
        """
        if to not in ("earliest", "latest"):
            raise InvalidSettings({"to": "Must be earliest or latest: changes are not found by their time."})
        name = name_of(connection)
        database = connect(connection)
        try:
            with database.limit(3 * CREATE_SECONDS):
                slot = find_slot(database, name)
                if slot is not None and slot.is_lost:
                    drop_slot(database, name)
                if slot is None or slot.is_lost:
                    publish_tables(database, connection, find_tables(database, connection.settings))
                    create_slot(database, name)
                now = database.rows(_NOW)[0][0].decode()
                if to == "latest":
                    advance_slot(database, name, now)
                    return {"lsn": now}
                start: dict[str, Any] = {"lsn": "0/0"}
                if connection.settings["copy"]:
                    start["copy"] = {"run": now, "table": 0, "after": None}
                return start
        finally:
            database.close()

    def open(self, connection: Connection, partition: str, position: Position) -> Reader:
        """Connect, create the publication and the slot if need be, and return a reader.

        Raises SourceUnavailable, PositionLost.
        """
        return ChangeReader(connection, position)

    def remove(self, connection: Connection) -> None:
        """Drop the slot and the publication. Raises SourceUnavailable."""
        try:
            database = connect(connection)
        except OwnDatabase:  # nothing was created there
            return
        try:
            with database.limit():
                drop_slot(database, name_of(connection))
                if not connection.settings.get("publication"):
                    drop_publication(database, name_of(connection))
        finally:
            database.close()


def check_server(database: Database) -> None:
    """Raise SourceUnavailable unless the server has logical WAL and the role may replicate."""
    [(level, may_replicate, is_standby)] = database.rows(_CAPABLE)
    if level != b"logical":
        text = f"The server's wal_level is {level.decode()}; set it to logical and restart the server."
        raise SourceUnavailable(text, "settings.host")
    if is_standby:
        raise SourceUnavailable("The server is a standby; name the primary.", "settings.host")
    if not may_replicate:
        raise SourceUnavailable("The role may not use replication slots; run ALTER ROLE ... REPLICATION.", USER.path)
