"""Name tables of another database, and look up their columns in its catalog."""

import re
from dataclasses import dataclass

from psycopg import sql

from webhooks.sources.kinds.kind import SourceUnavailable
from webhooks.sources.kinds.postgres.connect import Database

_NAME = re.compile(r'(?:("(?:[^"]|"")+"|[^".]+)\.)?("(?:[^"]|"")+"|[^".]+)')

_FIND = """
    SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relreplident::text,
           has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'DELETE')
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%s)
"""
_COLUMNS = """
    SELECT a.attname::text, a.atttypid::bigint, format_type(a.atttypid, NULL), a.attnotnull,
           has_column_privilege(a.attrelid, a.attnum, 'UPDATE'), a.attgenerated <> ''
      FROM pg_attribute a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
PRIMARY_KEY = """
    SELECT a.attname::text FROM pg_index i
     CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
     WHERE i.indrelid = %s AND i.indisprimary ORDER BY k.place
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its type by oid and by name, whether it is never null, and whether the role may write it."""

    name: str
    oid: int
    type: str
    is_required: bool
    is_writable: bool
    is_generated: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the other database."""

    oid: int
    schema: str
    name: str
    kind: str
    replica_identity: str
    is_readable: bool
    is_deletable: bool
    columns: dict[str, Column]
    key: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """Return the name with its schema."""
        return f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        """Return the name as it stands in statements."""
        return sql.Identifier(self.schema, self.name)


def is_table_name(name: str) -> bool:
    """Return whether a text is ``table``, ``schema.table``, or these in double quotes."""
    return _NAME.fullmatch(name) is not None


def find_table(database: Database, name: str, setting: str) -> Table:
    """Return a table by the name in a setting, as it is written there. Raises SourceUnavailable."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise SourceUnavailable("Must be a table, or schema.table.", setting)
    parts = [_unquoted(part) for part in found.groups() if part]
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in parts)
    rows = database.rows(_FIND, (quoted,))
    if not rows:
        raise SourceUnavailable(f"There is no table {name}, or the role may not use its schema.", setting)
    oid, schema, table, kind, identity, readable, deletable = rows[0]
    columns = {
        column[0].decode(): Column(column[0].decode(), column[1], column[2].decode(), *column[3:])
        for column in database.rows(_COLUMNS, (oid,))
    }
    key = tuple(name.decode() for (name,) in database.rows(PRIMARY_KEY, (oid,)))
    return Table(
        oid, schema.decode(), table.decode(), kind.decode(), identity.decode(), readable, deletable, columns, key
    )


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
