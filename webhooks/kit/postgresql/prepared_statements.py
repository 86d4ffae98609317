"""Run the prepared statements of one connection, with parameters and rows in the binary format.

The statements are those of the server's protocol, and libpq sends them: psycopg's cursor takes as long to send a
statement of the hot paths as the server to execute it. Psycopg reads the rows and makes the errors. A statement that
cannot be run in this way (see ``UnsupportedParameterError``) has not been sent.

A plan that was made for an empty table reads all of it once it is full, until the table is analyzed, and making the
plans anew costs as much as running a few statements. So plans are discarded after PLAN_LIFETIME on a connection that
has written or read PLAN_ROWS rows since, and after LONGEST_PLAN_LIFETIME on any.
"""

import itertools
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import generators, pq
from psycopg.adapt import Transformer

from webhooks.kit.postgresql.binary_format import ENCODERS, NO_ENCODING, Encoder, known_type

PLAN_LIFETIME = 1.0  # seconds
PLAN_ROWS = 500
LONGEST_PLAN_LIFETIME = 60.0  # seconds
MAX_STATEMENTS = 200  # prepared on one connection; beyond, all are prepared anew
BINARY = pq.Format.BINARY
PLACEHOLDER = re.compile(r"%(?:\((\w+)\)s|%)")
CHANGED, UNKNOWN = "0A000", "26000"  # SQLSTATE: the result has other columns by now; the server forgot the statement

_numbers = itertools.count(1)  # in the names of statements, which no two of a process share

Parameters = Mapping[str, Any] | Sequence[Any]


class UnsupportedParameterError(Exception):
    """A parameter has a type, or a value, without a binary encoding here."""


class _Statement(NamedTuple):
    """A prepared statement: its name on the server, and what is sent for each of its parameters, in order."""

    name: bytes
    keys: Sequence[Any]  # of the parameters: names, or numbers from 0
    encoders: Sequence[Encoder]
    formats: Sequence[pq.Format]


class PreparedStatements:
    """The statements that one connection has prepared.

    ``waits``: whether the connection's own ``wait`` is used while the server works (``webhooks.kit.sql.wait_with``).
    """

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self.connection = connection
        self.waits = False
        self._statements: dict[str | bytes, _Statement] = {}
        self._transformer = Transformer(connection)
        self._planned_at = time.monotonic()
        self._planned_rows = 0

    def execute(self, statement: str | bytes, parameters: Parameters) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows. Raises psycopg's errors, and UnsupportedParameterError."""
        server = self.connection.pgconn
        if server.transaction_status != pq.TransactionStatus.INERROR:
            self._discard_old_plans()
        if server.transaction_status == pq.TransactionStatus.IDLE and not self.connection.autocommit:
            self._check(server.exec_(b"BEGIN"))
        prepared = self._statements.get(statement) or self._prepare(statement, parameters)
        values = _encoded(prepared, parameters)
        result = self._exec(prepared, values)
        if result.status == pq.ExecStatus.FATAL_ERROR and _state(result) in (CHANGED, UNKNOWN):
            del self._statements[statement]
            if server.transaction_status == pq.TransactionStatus.IDLE:
                prepared = self._prepare(statement, parameters)
                result = self._exec(prepared, values)
        self._check(result)
        rows = self._rows(result)
        self._planned_rows += max(len(rows), _largest(parameters))
        return rows

    def _exec(self, prepared: _Statement, values: Any) -> "pq.abc.PGresult":
        server = self.connection.pgconn
        if not self.waits:
            return server.exec_prepared(prepared.name, values, prepared.formats, BINARY)
        server.send_query_prepared(prepared.name, values, prepared.formats, BINARY)
        results: list[pq.abc.PGresult] = self.connection.wait(generators.execute(server))
        return results[-1]

    def _prepare(self, statement: str | bytes, parameters: Parameters) -> _Statement:
        server = self.connection.pgconn
        if len(self._statements) >= MAX_STATEMENTS:
            self._statements.clear()
            self._check(server.exec_(b"DEALLOCATE ALL"))
        text, keys = _numbered(statement, parameters)
        name = b"waypost_%d" % next(_numbers)
        self._check(server.prepare(name, text, [known_type(parameters[key]) for key in keys]))
        found = server.describe_prepared(name)
        self._check(found)
        types = [found.param_type(number) for number in range(found.nparams)]
        if not all(it in ENCODERS for it in types):
            self._check(server.exec_(b"DEALLOCATE " + name))
            raise UnsupportedParameterError
        prepared = _Statement(name, keys, [ENCODERS[it] for it in types], [BINARY] * len(types))
        self._statements[statement] = prepared
        return prepared

    def _discard_old_plans(self) -> None:
        age = time.monotonic() - self._planned_at
        if age > PLAN_LIFETIME and (self._planned_rows >= PLAN_ROWS or age > LONGEST_PLAN_LIFETIME):
            self._check(self.connection.pgconn.exec_(b"DISCARD PLANS"))
            self._planned_at, self._planned_rows = time.monotonic(), 0

    def _rows(self, result: pq.abc.PGresult) -> list[tuple[Any, ...]]:
        if result.status != pq.ExecStatus.TUPLES_OK:
            return []
        self._transformer.set_pgresult(result, format=BINARY)
        try:
            return self._transformer.load_rows(0, result.ntuples, tuple)
        finally:
            self._transformer.set_pgresult(None)  # keeps no rows in memory

    def _check(self, result: pq.abc.PGresult) -> None:
        if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            return
        encoding = self.connection.info.encoding
        if _state(result) is None:
            raise psycopg.OperationalError(result.get_error_message(encoding))  # the connection is lost
        raise psycopg.errors.error_from_result(result, encoding)


def _numbered(statement: str | bytes, parameters: Parameters) -> tuple[bytes, list[Any]]:
    """Return a statement with ``$1``, ``$2`` for its parameters, and the key of each."""
    if isinstance(statement, bytes):
        return statement, list(range(len(parameters)))
    numbers: dict[str, int] = {}

    def replaced(found: "re.Match[str]") -> str:
        if (name := found[1]) is None:
            return "%"
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    return PLACEHOLDER.sub(replaced, statement).encode(), list(numbers)


def _encoded(prepared: _Statement, parameters: Any) -> Any:
    """Return what is sent for each parameter: bytes, or None for NULL (psycopg's stub does not know of it)."""
    try:
        return [
            None if (value := parameters[key]) is None else encode(value)
            for key, encode in zip(prepared.keys, prepared.encoders, strict=True)
        ]
    except NO_ENCODING as error:
        raise UnsupportedParameterError from error


def _largest(parameters: Parameters) -> int:
    values: Any = parameters.values() if isinstance(parameters, Mapping) else parameters
    return max((len(it) for it in values if isinstance(it, list)), default=1)


def _state(result: pq.abc.PGresult) -> str | None:
    found = result.error_field(pq.DiagnosticField.SQLSTATE)
    return None if found is None else found.decode()
