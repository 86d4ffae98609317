"""The few statements that are run for every message, with each value in its binary form.

On Django's connection and in its transaction, but not by its cursor: that one asks before each transaction whether
the server is there, and writes every value, a body too, into the text of the statement. Building the same statement
by the ORM costs more than running it.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connection


def run(statement: bytes, values: Sequence[Any], *, keep_plan: bool = False) -> list[tuple[Any, ...]]:
    """The rows it returns, if it returns any. Parameters are ``$1`` and so on. ``keep_plan`` of what reads no table
    that grows: a plan that was made while it was small reads all of it later. Raises Django's database errors."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.RawCursor(connection.connection) as cursor:
        cursor.execute(statement, values, prepare=keep_plan, binary=True)
        return cursor.fetchall() if cursor.description else []
