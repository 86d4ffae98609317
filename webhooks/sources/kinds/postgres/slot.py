"""Create, look at, advance and drop the publication and the replication slot of a source, named after its id.

A slot keeps all WAL since the position it was advanced to, until it is advanced or dropped, or its WAL exceeds the
server's max_slot_wal_keep_size and the slot is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg import errors, sql

from webhooks.sources.kinds.kind import Connection, PositionLost, SourceUnavailable
from webhooks.sources.kinds.postgres.connect import LOCK_SECONDS, STATEMENT_SECONDS, Database, message_of
from webhooks.sources.kinds.postgres.pgoutput import parse_lsn
from webhooks.sources.kinds.postgres.tables import Table

MUCH_WAL = 10 * 1024**3  # bytes held back that are worth a warning where the server has no limit
MUCH_OF_LIMIT = 0.5  # of max_slot_wal_keep_size
CREATE_SECONDS = 10.0  # to wait for transactions that were open when the slot is created

_SLOT = """
    SELECT to_jsonb(s)::text, pg_current_wal_flush_lsn()::text,
           (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size')
      FROM (SELECT 1) one LEFT JOIN pg_replication_slots s ON s.slot_name = %s
"""
_LOST = (
    "The replication slot {name} {reason}, so changes are missing; seek to the latest change to go on without them, or "
    "to the earliest to copy the tables again where copy is set. A larger max_slot_wal_keep_size keeps more WAL."
)


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot and what the server's WAL says of it; positions in bytes."""

    confirmed: int
    restart: int | None
    current: int
    status: str
    reason: str
    is_active: bool
    limit: int | None

    @property
    def is_lost(self) -> bool:
        """Return whether changes after its position are gone."""
        return self.status == "lost" or bool(self.reason) or self.restart is None

    @property
    def retained(self) -> int:
        """Return the bytes of WAL that it holds back."""
        return 0 if self.restart is None else max(0, self.current - self.restart)

    @property
    def warning(self) -> str:
        """Return a sentence if it holds back so much WAL that the server, or the slot, is in danger."""
        much = MUCH_WAL if self.limit is None else int(self.limit * MUCH_OF_LIMIT)
        if self.retained < much and self.status != "unreserved":
            return ""
        kept = f"The replication slot holds back {self.retained / 1024**2:,.0f} MiB of WAL"
        if self.limit is None:
            return f"{kept}, and the server has no max_slot_wal_keep_size, so its disk may fill up."
        return f"{kept}; above max_slot_wal_keep_size, {self.limit / 1024**2:,.0f} MiB, changes are lost."


def name_of(connection: Connection) -> str:
    """Return the name of the slot and of the publication of a source."""
    return f"waypost_{connection.source}".lower()[:63]


def publication_of(connection: Connection) -> str:
    """Return the name of the publication: the one in the settings, or the source's own."""
    return str(connection.settings.get("publication") or name_of(connection))


def find_slot(database: Database, name: str) -> Slot | None:
    """Return a slot; None if there is none."""
    [(found, current, limit)] = database.rows(_SLOT, (name,))
    if found is None:
        return None
    row = orjson.loads(found)
    confirmed, restart = row["confirmed_flush_lsn"], row["restart_lsn"]
    return Slot(
        parse_lsn(confirmed) if confirmed else 0,
        parse_lsn(restart) if restart else None,
        parse_lsn(current.decode()),
        row.get("wal_status") or "",
        row.get("invalidation_reason") or "",
        bool(row["active"]),
        None if limit is None or limit < 0 else limit * 1024**2,
    )


def usable_slot(database: Database, name: str, *, is_known: bool) -> Slot | None:
    """Return a slot that can be read; None if there is none and none is known. Raises PositionLost."""
    slot = find_slot(database, name)
    if slot is None:
        if is_known:
            raise PositionLost(_LOST.format(name=name, reason="was dropped"))
        return None
    if slot.is_lost:
        raise PositionLost(_LOST.format(name=name, reason=f"was invalidated ({slot.reason or slot.status})"))
    return slot


def create_slot(database: Database, name: str) -> None:
    """Create a slot. Waits for transactions that are open. Raises SourceUnavailable."""
    set_timeouts(database, CREATE_SECONDS, 0)
    try:
        database.rows("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (name,))
    except errors.DuplicateObject:
        pass  # by another process, just now
    except errors.InsufficientPrivilege as error:
        text = "The role may not use replication slots; run ALTER ROLE ... REPLICATION."
        raise SourceUnavailable(text, "settings.user") from error
    except errors.ObjectNotInPrerequisiteState as error:
        text = "The server has no logical WAL; set wal_level to logical and restart it."
        raise SourceUnavailable(f"{text} PostgreSQL: {message_of(error)}", "settings.host") from error
    except errors.ConfigurationLimitExceeded as error:
        text = "The server has no free replication slot; raise max_replication_slots or drop one."
        raise SourceUnavailable(text, "settings.host") from error
    except errors.QueryCanceled as error:
        text = "The slot is created when transactions that are open on the server now have ended; one does not end."
        raise SourceUnavailable(text) from error
    set_timeouts(database, STATEMENT_SECONDS, LOCK_SECONDS)


def set_timeouts(database: Database, statement: float, lock: float) -> None:
    """Let the server end each statement, and each wait for a lock, after these seconds."""
    for name, seconds in (("statement_timeout", statement), ("lock_timeout", lock)):
        database.execute("SELECT set_config(%s, %s, false)", (name, f"{seconds * 1000:.0f}ms"))


def advance_slot(database: Database, name: str, lsn: str) -> None:
    """Let the server remove WAL before a position that is stored; idempotent."""
    database.rows(
        "SELECT pg_replication_slot_advance(slot_name, %s::pg_lsn) FROM pg_replication_slots"
        " WHERE slot_name = %s AND confirmed_flush_lsn < %s::pg_lsn",
        (lsn, name, lsn),
    )


def drop_slot(database: Database, name: str) -> None:
    """Drop a slot; end the session that uses it. Nothing if there is none."""
    database.rows(
        "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots"
        " WHERE slot_name = %s AND active_pid IS NOT NULL",
        (name,),
    )
    database.rows("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", (name,))


def check_publication(database: Database, connection: Connection) -> None:
    """Raise SourceUnavailable if the publication that the settings name does not exist."""
    given = connection.settings.get("publication")
    if given and not database.rows("SELECT 1 FROM pg_publication WHERE pubname = %s", (given,)):
        text = f"There is no publication {given}; let an owner of the tables run CREATE PUBLICATION ... FOR TABLE ..."
        raise SourceUnavailable(text, "settings.publication")


def publish_tables(database: Database, connection: Connection, tables: Sequence[Table]) -> None:
    """Create the source's publication, or give it these tables. Raises SourceUnavailable."""
    name = publication_of(connection)
    given = connection.settings.get("publication")
    exists = bool(database.rows("SELECT 1 FROM pg_publication WHERE pubname = %s", (name,)))
    if given:
        check_publication(database, connection)
        return
    published = _published(database, name)
    if exists and published == {(it.schema, it.name) for it in tables}:
        return
    names = sql.SQL(", ").join(it.identifier for it in tables)
    try:
        if not exists:
            listed = sql.SQL("FOR TABLE {}").format(names) if tables else sql.SQL("")
            database.execute(
                sql.SQL("CREATE PUBLICATION {} {} WITH (publish_via_partition_root = true)").format(
                    sql.Identifier(name), listed
                )
            )
        elif tables:
            database.execute(sql.SQL("ALTER PUBLICATION {} SET TABLE {}").format(sql.Identifier(name), names))
        else:
            drop_publication(database, name)
            publish_tables(database, connection, tables)
    except errors.DuplicateObject:
        pass  # by another process, just now
    except errors.InsufficientPrivilege as error:
        text = (
            f"The role may not publish the tables ({message_of(error)}) Let an owner of the tables run CREATE "
            "PUBLICATION ... FOR TABLE ..., and name that in the setting publication."
        )
        raise SourceUnavailable(text, "settings.publication") from error


def drop_publication(database: Database, name: str) -> None:
    """Drop a publication. Nothing if there is none."""
    database.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name)))


def _published(database: Database, name: str) -> set[tuple[str, str]]:
    rows: list[tuple[Any, ...]] = database.rows(
        "SELECT n.nspname::text, c.relname::text FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid"
        " JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = %s",
        (name,),
    )
    return {(schema.decode(), table.decode()) for schema, table in rows}
