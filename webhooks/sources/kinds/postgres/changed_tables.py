"""Find the tables whose changes are read, and how their values are written."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from psycopg import sql

from webhooks.sources.kinds.kind import Record, Setting, SourceUnavailable
from webhooks.sources.kinds.postgres.change_record import Place, TableChanges, copied_record
from webhooks.sources.kinds.postgres.connect import Database
from webhooks.sources.kinds.postgres.pgoutput import Relation, RelationColumn
from webhooks.sources.kinds.postgres.tables import PRIMARY_KEY, Table, find_table
from webhooks.sources.kinds.postgres.values import converter

FIRST_OWN_OID = 16384  # types below it are built in
MAX_TABLES = 200

TABLES = Setting(
    "tables",
    "Tables",
    "Tables whose changes are read, each table or schema.table, written as in the catalog (case matters). Empty: only "
    "logical messages.",
    "texts",
    max_length=130,
    example='["public.orders"]',
)
PUBLICATION = Setting(
    "publication",
    "Publication",
    "An existing publication, if the role may not create one for the tables. Empty: one is created and dropped with "
    "the source.",
    max_length=63,
    names_place=True,
    example="waypost",
)
COPY = Setting(
    "copy",
    "First copy",
    "Publish the rows that the tables have at the beginning, as inserted, before the changes.",
    "boolean",
    default=False,
)
MESSAGE_PREFIX = Setting(
    "message_prefix",
    "Prefix of messages",
    "Messages that pg_logical_emit_message writes with this prefix become events.",
    default="waypost",
    max_length=63,
)

_TYPES = """
    WITH RECURSIVE needed (oid, element, base) AS (
        SELECT oid::bigint, CASE WHEN typcategory = 'A' THEN typelem ELSE 0 END::bigint, typbasetype::bigint
          FROM pg_type WHERE oid = ANY(%s::bigint[]::oid[])
        UNION
        SELECT t.oid::bigint, CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END::bigint, t.typbasetype::bigint
          FROM needed JOIN pg_type t ON t.oid = ANY(ARRAY[needed.element, needed.base]::oid[])
    )
    SELECT oid, element, base FROM needed
"""


def find_tables(database: Database, settings: Mapping[str, Any]) -> list[Table]:
    """Return the tables in the settings. Raises SourceUnavailable if one cannot be read.

    A table without a replica identity is refused, because its publication would make PostgreSQL refuse its updates.
    """
    names = settings.get("tables") or []
    if len(names) > MAX_TABLES:
        raise SourceUnavailable(f"Must be at most {MAX_TABLES} tables.", TABLES.path)
    tables = [find_table(database, name, TABLES.path) for name in names]
    for table in tables:
        _check(table, copies=bool(settings["copy"]))
    return tables


def _check(table: Table, *, copies: bool) -> None:
    name = table.full_name
    if table.kind not in ("r", "p"):
        raise SourceUnavailable(f"{name} is no table.", TABLES.path)
    if not table.is_readable:
        raise SourceUnavailable(f"The role may not read {name}; GRANT SELECT to it.", TABLES.path)
    if table.replica_identity == "n" or (table.replica_identity == "d" and not table.key):
        text = (
            f"{name} has no primary key, so PostgreSQL would refuse its updates once they are published; add one, or "
            f"run ALTER TABLE {name} REPLICA IDENTITY FULL."
        )
        raise SourceUnavailable(text, TABLES.path)
    if copies and not table.key:
        raise SourceUnavailable(f"{name} has no primary key, by which its rows are copied.", COPY.path)


def changes_of(database: Database, relation: Relation) -> TableChanges:
    """Return how the changes of a relation are written."""
    types = types_of(database, (column.type for column in relation.columns))
    key = tuple(column.name for column in relation.columns if column.is_key)
    if relation.identity == "f":
        key = tuple(name.decode() for (name,) in database.rows(PRIMARY_KEY, (relation.oid,)))
    return TableChanges(relation, tuple(converter(column.type, types) for column in relation.columns), key)


def changes_of_table(database: Database, table: Table, columns: Iterable[str]) -> TableChanges:
    """Return how rows of a table are written that have these columns."""
    found = tuple(RelationColumn(name, table.columns[name].oid, name in table.key) for name in columns)
    return changes_of(database, Relation(table.oid, table.schema, table.name, "d", found))


def types_of(database: Database, oids: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Return the types of elements and of domains' bases, by oid, of those that are not built in."""
    own = sorted({oid for oid in oids if oid >= FIRST_OWN_OID})
    return {oid: (element, base) for oid, element, base in database.rows(_TYPES, (own,))} if own else {}


def last_row(database: Database, table: Table) -> Record | None:
    """Return the row with the greatest key as a copy would; None if there is none, or no key."""
    if not table.key:
        return None
    columns = [it.name for it in table.columns.values() if not it.is_generated]
    statement = sql.SQL("SELECT {} FROM {} AS t ORDER BY {} LIMIT 1").format(
        sql.SQL(", ").join(sql.Identifier("t", name) for name in columns),
        table.identifier,
        sql.SQL(", ").join(sql.SQL("{} DESC").format(sql.Identifier("t", name)) for name in table.key),
    )
    result = database.execute(statement).pgresult
    if result is None or not result.ntuples:
        return None
    row = tuple(result.get_value(0, place) for place in range(result.nfields))
    place = Place("test", 0, datetime.now(UTC), None, "urn:waypost:test")
    return copied_record(changes_of_table(database, table, columns), row, place)
