"""The few statements that are run for every message, with each value in its binary form.

On Django's connection and in its transaction, but not by its cursor: that one asks before each transaction whether
the server is there, and writes every value, a body too, into the text of the statement. Building the same statement
by the ORM costs more than running it.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection


def run(statement: bytes, values: Sequence[Any], *, keep_plan: bool = False) -> list[tuple[Any, ...]]:
    """The rows it returns, if it returns any. Parameters are ``$1`` and so on. Raises Django's database errors.

    ``keep_plan`` (where WAYPOST_KEEP_PLANS allows it) of what looks up nothing in a table that grows fast: a plan that
    was made while it was small reads all of it later.
    """
    connection.ensure_connection()
    used = connection.connection
    with connection.wrap_database_errors, psycopg.RawCursor(used) as cursor:
        # For this moment only: of Django's own statements psycopg would remember the texts, with all their values.
        used.prepare_threshold = 0 if keep_plan and getattr(settings, "WAYPOST_KEEP_PLANS", False) else None
        try:
            cursor.execute(statement, values, prepare=keep_plan, binary=True)
        finally:
            used.prepare_threshold = None
        return cursor.fetchall() if cursor.description else []
