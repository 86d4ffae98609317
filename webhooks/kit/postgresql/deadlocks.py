"""Run a transaction again that PostgreSQL has ended to resolve a deadlock with others."""

from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, connection

ATTEMPTS = 5  # of one transaction; each deadlock takes PostgreSQL about a second to notice
DEADLOCK = "40P01"  # SQLSTATE

R = TypeVar("R")


def run_despite_deadlocks(work: Callable[[], R]) -> R:
    """Run ``work``, which is one transaction, and again as long as a deadlock has rolled it back.

    Raises OperationalError after ATTEMPTS of them, and at once within a transaction, which it cannot begin anew.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except OperationalError as error:
            if connection.in_atomic_block or getattr(error.__cause__, "sqlstate", None) != DEADLOCK:
                raise
    return work()
