"""Empty the tables that a test has written, in place of Django's flush after each test that commits.

Django truncates all tables, which makes several hundred files, and then makes content types, permissions, roles and
built-in rules again. Those rows are remembered here, and afterwards only newer ones are deleted. Where that is not
possible, because a remembered row was changed, or where there are many rows, Django's own flush runs again.

A row is newer if the transaction that wrote it (``xmin``) is; a statement that was rolled back leaves no rows.
"""

from typing import Any

from django.core.management import CommandError
from django.core.management.commands import flush
from django.db import DatabaseError, connections, transaction

MANY = 20_000  # rows, which are truncated faster than they are deleted

_flush = flush.Command.handle
_remembered: dict[str, "Remembered"] = {}  # by the name of the database


class Remembered:
    """The rows that Django's flush leaves in a database: of each table the number of rows, and the last transaction."""

    def __init__(self, cursor: Any, tables: list[str]) -> None:
        self.tables = dict.fromkeys(tables, (0, -1))
        cursor.execute(self._union("'{0}', count(*), coalesce(max(xmin::text::bigint), -1)"))
        self.tables = {name: (rows, last) for name, rows, last in cursor.fetchall()}
        ours, newer = "xmin::text::bigint <= {1}", "xmin::text::bigint > {1}"
        counted = f"'{{0}}', count(*) FILTER (WHERE {ours}), count(*) FILTER (WHERE {newer})"
        self._written = f"SELECT * FROM ({self._union(counted)}) counted (name, ours, newer)"
        self._lock = f"LOCK TABLE {', '.join(self.tables)} IN SHARE ROW EXCLUSIVE MODE"

    def _union(self, columns: str) -> str:
        parts = (f"SELECT {columns} FROM {{0}}".format(name, last) for name, (_, last) in self.tables.items())
        return " UNION ALL ".join(parts)

    def delete_newer(self, cursor: Any) -> bool:
        """Delete the rows that were written since, when no transaction writes; return whether that was possible."""
        cursor.execute(self._lock)
        cursor.execute(self._written)
        found = cursor.fetchall()
        if any(ours != self.tables[name][0] for name, ours, _ in found) or sum(it[2] for it in found) > MANY:
            return False
        cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers: neither references nor the audit
        for name, _, newer in found:
            if newer:
                cursor.execute(f"DELETE FROM {name} WHERE xmin::text::bigint > {self.tables[name][1]}")
        return True


def delete_written(command: flush.Command, **options: Any) -> None:
    """Do what ``flush`` does, the second time in a database and later in a faster way."""
    try:
        _delete_written(command, options)
    except (CommandError, DatabaseError):  # a server of the test, which still writes, was in the way (deadlock)
        _delete_written(command, options)


def _delete_written(command: flush.Command, options: dict[str, Any]) -> None:
    connection = connections[options["database"]]
    name = str(connection.settings_dict["NAME"])
    if not options.get("reset_sequences", True) and name in _remembered:
        with transaction.atomic(connection.alias), connection.cursor() as cursor:
            if _remembered[name].delete_newer(cursor):
                return
    _flush(command, **options)
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone() == (True,):  # others may not switch triggers off
            tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
            _remembered[name] = Remembered(cursor, [connection.ops.quote_name(it) for it in sorted(tables)])
