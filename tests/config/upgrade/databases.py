"""Create databases beside that of the tests, and read their schemas and rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper

from tests.database_url import database_url

SCHEMA = """
SELECT 'column', table_name || '.' || column_name, data_type || ' ' || is_nullable || coalesce(column_default, '')
  FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid)
  FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'function', oid::regprocedure::text, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'sequence', sequencename, '' FROM pg_sequences WHERE schemaname = 'public'
UNION ALL SELECT 'storage', oid::regclass::text, array_to_string(reloptions, ' ') FROM pg_class
           WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL
"""


@contextmanager
def other_database(name: str) -> Iterator[DatabaseWrapper]:
    """Yield a connection to a database that is created empty, and dropped in the end."""
    with psycopg.connect(database_url(), autocommit=True) as opened:
        opened.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        opened.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        made = DatabaseWrapper({**connection.settings_dict, "NAME": name}, connection.alias)
        try:
            yield made
        finally:
            made.close()
            opened.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def as_default(made: DatabaseWrapper) -> Iterator[None]:
    """Make this the default connection, where Django looks up its alias."""
    before: Any = connections[made.alias]
    connections[made.alias] = made
    try:
        yield
    finally:
        connections[made.alias] = before


def schema(database: DatabaseWrapper) -> set[tuple[str, ...]]:
    """Return all columns, indexes, constraints, triggers, functions, sequences and storage parameters."""
    with database.cursor() as cursor:
        cursor.execute(SCHEMA)
        return set(cursor.fetchall())


def rows(database: DatabaseWrapper) -> dict[str, list[Any]]:
    """Return the rows of each table except ``django_migrations``, which has times."""
    with database.cursor() as cursor:
        names = [name for name in database.introspection.table_names(cursor) if name != "django_migrations"]
        found = {}
        for name in names:
            cursor.execute(f'SELECT * FROM "{name}"')
            found[name] = cursor.fetchall()
    return found
