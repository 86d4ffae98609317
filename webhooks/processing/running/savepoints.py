"""Run many pieces of work in one transaction, each in a savepoint, with one round trip for each piece.

``transaction.atomic`` sends two statements for each savepoint through Django's cursor, which costs more than a small
piece of work. Here the release of a savepoint travels with the creation of the next one, and the connection's own
state tells whether a piece has ended or broken the transaction. Django knows of these savepoints: ``atomic`` works
inside, and after-commit hooks of a piece that is undone are dropped.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error, connection
from psycopg.pq import TransactionStatus

from webhooks.kit import sql


class TransactionEnded(Exception):
    """The piece of work ended or broke its transaction, which the caller must not do."""


class Savepoints:
    """The savepoints of one transaction, one after another. Use it inside ``transaction.atomic``."""

    def __init__(self) -> None:
        self._count = 0
        self._open = ""  # the savepoint that is released with the next statement

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Run the body in a savepoint, and undo it if it raises. Raises TransactionEnded, also after undoing.

        If it cannot be undone, ``connection.needs_rollback`` is set: then the whole transaction is lost.
        """
        self._count += 1
        name = f"piece_{self._count}"
        _execute(f"RELEASE SAVEPOINT {self._open}; SAVEPOINT {name}" if self._open else f"SAVEPOINT {name}")
        self._open = name
        connection.savepoint_ids.append(name)
        hooks = len(connection.run_on_commit)
        try:
            yield
            check_transaction()
        except BaseException:
            del connection.run_on_commit[hooks:]
            self._undo(name)
            raise
        finally:
            if connection.savepoint_ids:  # the connection was replaced if there is none
                connection.savepoint_ids.pop()

    def _undo(self, name: str) -> None:
        if connection.closed_in_transaction:
            return
        try:
            _execute(f"ROLLBACK TO SAVEPOINT {name}")
            connection.needs_rollback = False
        except Error:
            connection.needs_rollback = True


def check_transaction() -> None:
    """Check that the transaction is as it was when the piece began. Raises TransactionEnded."""
    if connection.closed_in_transaction:
        raise TransactionEnded("The connection was closed.")
    if connection.needs_rollback:
        raise TransactionEnded("The transaction was marked for rollback (set_rollback).")
    status = connection.connection.info.transaction_status
    if status == TransactionStatus.INERROR:
        raise TransactionEnded("A database error was caught outside of transaction.atomic.")
    if status != TransactionStatus.INTRANS:
        raise TransactionEnded("The transaction was committed or rolled back.")


def _execute(statements: str) -> None:
    with sql.cursor() as cursor:
        cursor.execute(statements.encode(), prepare=False)
