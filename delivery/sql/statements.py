"""How statements over many rows at once are run: on Django's own connection, in its transaction, but through a cursor
with server-side parameters, so that arrays travel in binary and plans are kept.

Psycopg writes lists as text unless told otherwise, and a body twice as long in it: for an event of 1 KB that took more
time than all the rest of the statement. So whatever a statement casts to an array is asked for in binary.

Reading and planning a statement costs the server about as much as running it for a few rows. But a plan that was made
over an empty table reads all of it when it is full, and may do so until somebody analyzes it. So a plan is kept for
a second.
"""

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any

import psycopg
from django.db import connection

__all__ = ["clock", "columns", "cursor", "plan_by_index", "plan_freely", "run"]


KEPT = 1.0  # seconds
ARRAY = re.compile(r"%\((\w+)\)s(?=::\w+\[\])")
_here = threading.local()  # as Django's connection is


@contextmanager
def cursor() -> Iterator[psycopg.Cursor[Any]]:
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as opened:
        yield opened


def run(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows it returns, if it returns any."""
    with cursor() as opened:
        if time.monotonic() - getattr(_here, "planned_at", 0.0) > KEPT:
            opened.execute("DISCARD PLANS")
            _here.planned_at = time.monotonic()
        # For this moment only: of Django's own statements psycopg would remember the texts, with all their values.
        opened.connection.prepare_threshold = 0
        try:
            opened.execute(_in_binary(statement), parameters, prepare=True, binary=True)
        finally:
            opened.connection.prepare_threshold = None
        return opened.fetchall() if opened.description else []


@lru_cache(maxsize=256)
def _in_binary(statement: str) -> str:
    """The same with its arrays as psycopg's %b."""
    for name in set(ARRAY.findall(statement)):
        statement = statement.replace(f"%({name})s", f"%({name})b")
    return statement


def clock() -> datetime:
    """What time it is: the database's clock counts, whichever machine asks."""
    moment: datetime = run("SELECT clock_timestamp()", {})[0][0]
    return moment


def columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as columns, for ``unnest``."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


PLAN_BY_INDEX = """
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
SET idle_in_transaction_session_timeout = '20s'
"""  # the last: a drain that is stopped between two statements does not keep its rows locked
PLAN_FREELY = """
RESET plan_cache_mode;
RESET enable_seqscan; RESET enable_hashjoin; RESET enable_mergejoin; RESET idle_in_transaction_session_timeout
"""


def plan_by_index() -> None:
    """From here on every plan of this connection goes by an index: what is right for a full table must not be
    forgotten over an empty one."""
    with cursor() as opened:
        opened.execute(PLAN_BY_INDEX)


def plan_freely() -> None:
    with cursor() as opened:
        opened.execute(PLAN_FREELY)
