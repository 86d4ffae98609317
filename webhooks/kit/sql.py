"""Run SQL with server-side parameters, binary values and prepared statements, for statements of the hot paths.

A statement runs on Django's connection and in its transaction, but not through Django's cursor. That cursor checks
the connection before each transaction and writes every value, event bodies included, into the text of the statement.

Statements are prepared where the setting WAYPOST_PREPARE_STATEMENTS is true (default: false). Parsing and planning
cost the server about as much as running a statement for a few rows. Prepared statements belong to a server session, so
none is on a connection with DISABLE_SERVER_SIDE_CURSORS, which goes through a pooler in transaction mode; do not set it
where other connections do. Prepared statements do not pass through psycopg's cursor either
(``webhooks.kit.postgresql``).

Failure: ``run`` raises Django's database errors (``django.db.Error``), as the ORM does.

Used by ``delivery.sql`` for all its statements, and by the receiver to insert, lock and finish receipts.
"""

import re
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any

import psycopg
from django.conf import settings
from django.db import Error, connection, connections

from webhooks.kit.audit.operation import announced, current_operation
from webhooks.kit.metrics.database_errors import count_database_error
from webhooks.kit.postgresql.prepared_statements import PreparedStatements, UnsupportedParameterError
from webhooks.kit.postgresql.session import keeps_session

ARRAY_PARAMETER = re.compile(r"%\((\w+)\)s(?=::\w+\[\])")  # a named parameter that is cast to an array
_thread = threading.local()  # Django's connection is one per thread, too


Run = Callable[[str, Mapping[str, Any]], list[tuple[Any, ...]]]
"""Run a statement on some connection: ``run``, or ``run`` of a listener (``webhooks.kit.notify``)."""


def run(statement: str | bytes, parameters: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run one statement and return its rows; an empty list if it returns none.

    Parameters are a mapping for ``%(name)s`` (a ``str`` statement), or a sequence for ``$1``, ``$2`` (``bytes``).
    Raises Django's database errors.
    """
    if current_operation() is not None:
        with announced():
            return _run(statement, parameters)
    return _run(statement, parameters)


def _run(statement: str | bytes, parameters: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    try:
        connection.ensure_connection()
        with connection.wrap_database_errors:
            if settings.WAYPOST_PREPARE_STATEMENTS and keeps_session():
                try:
                    return _prepared_statements().execute(statement, parameters)
                except UnsupportedParameterError:
                    pass
            return _run_by_cursor(statement, parameters)
    except Error as error:
        count_database_error(error)
        raise


def prepared_statements(opened: "psycopg.Connection[Any]") -> PreparedStatements:
    """Return the prepared statements of a connection that is not Django's, for its owner to keep."""
    return PreparedStatements(opened)


def _prepared_statements() -> PreparedStatements:
    known: PreparedStatements | None = getattr(_thread, "statements", None)
    if known is None or known.connection is not connection.connection:
        known = _thread.statements = PreparedStatements(connection.connection)
    known.waits = "wait" in vars(connection.connection)
    return known


def _run_by_cursor(statement: str | bytes, parameters: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a statement unprepared. Lists that are cast to an array are sent in binary; psycopg sends them as text."""
    with cursor(psycopg.RawCursor if isinstance(statement, bytes) else psycopg.Cursor) as opened:
        query = statement if isinstance(statement, bytes) else _with_binary_arrays(statement)
        opened.execute(query, parameters, prepare=False, binary=True)
        return opened.fetchall() if opened.description else []


@contextmanager
def cursor(kind: type[psycopg.Cursor[Any]] = psycopg.Cursor) -> Iterator[psycopg.Cursor[Any]]:
    """Open a psycopg cursor on Django's connection, for COPY and for several statements at once."""
    connection.ensure_connection()
    with connection.wrap_database_errors, kind(connection.connection) as opened:
        yield opened


@lru_cache(maxsize=256)
def _with_binary_arrays(statement: str) -> bytes:
    for name in set(ARRAY_PARAMETER.findall(statement)):  # each use of a name must have one format
        statement = statement.replace(f"%({name})s", f"%({name})b")
    return statement.encode()


WaitForStatement = Callable[[Generator[Any, Any, Any], int], Any]


def wait_with(wait: WaitForStatement | None) -> None:
    """Have the statements of this thread's connection wait by ``wait``; None: as before, which blocks the thread.

    ``wait`` is given a generator of psycopg, which yields the events to wait for, and the connection's descriptor. It
    must not use the database. Applies until the connection is closed.
    """
    if wait is None:
        if connection.connection is not None:
            vars(connection.connection).pop("wait", None)
        return
    connection.ensure_connection()
    opened = connection.connection

    def wait_for(steps: Generator[Any, Any, Any], interval: float = 0.0, timeout: float | None = None) -> Any:
        if timeout is not None:
            return type(opened).wait(opened, steps, interval=interval, timeout=timeout)
        return wait(steps, opened.pgconn.socket)

    opened.wait = wait_for


def try_connect() -> "Future[None]":
    """Connect to the database in a thread of its own, and disconnect; the future ends with the error, if any."""
    result: Future[None] = Future()
    database, parameters = connections[connection.alias], connection.get_connection_params()

    def connect() -> None:
        try:
            database.get_new_connection(parameters).close()
        except Exception as error:
            result.set_exception(error)
        else:
            result.set_result(None)

    threading.Thread(target=connect, name="try-connect", daemon=True).start()
    return result


def database_now() -> datetime:
    """Return the time by the database's clock, which is the one that counts, whichever machine asks."""
    moment: datetime = run("SELECT clock_timestamp()", {})[0][0]
    return moment


def columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Transpose rows into ``width`` columns, as ``unnest`` takes them."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def named_columns(names: str, rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """Transpose rows into named parameters; ``names``: those of the columns in order, separated by spaces."""
    keys = names.split()
    return dict(zip(keys, columns(rows, len(keys)), strict=True))


INDEX_PLANS = b"""
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
SET idle_in_transaction_session_timeout = '20s'
"""  # the timeout: a process that is stopped between two statements keeps its rows locked no longer
ALL_PLANS = b"""
RESET plan_cache_mode;
RESET enable_seqscan; RESET enable_hashjoin; RESET enable_mergejoin; RESET idle_in_transaction_session_timeout
"""


def force_index_plans() -> None:
    """Have this connection plan by index only: plans that suit a full table, also while the table is still empty.

    To join by ``a.id = b.id``, PostgreSQL may still read a whole index and compare each row of it with each of the
    others, which looks cheap while the table is nearly empty. Statements write ``a.id = ANY(ARRAY[b.id])`` instead,
    for which the only plan is to look each row up.
    """
    with cursor() as opened:
        opened.execute(INDEX_PLANS)


def allow_all_plans() -> None:
    """Undo force_index_plans on this connection."""
    with cursor() as opened:
        opened.execute(ALL_PLANS)
