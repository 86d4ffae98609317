"""Evaluate the conditions of periodic tasks on a connection of its own, which cannot block the process for long.

The schedule runs in the parent of a worker's processes. So the connection is not Django's, which the children would
inherit; and it is not opened as Django's is, which starts an embedded server and waits for that. To connect takes
CONNECT_WITHIN seconds at most, and an answer STATEMENT_WITHIN, also while the server hangs.

Failure: while the database is away no condition holds, and there is one line in the log.
"""

import os
import time
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg
import structlog
from django.db import connection

CONNECT_WITHIN = 2  # seconds, for each address of the database; libpq rounds less up to it
STATEMENT_WITHIN = 1.0  # seconds
PLAN_LIFETIME = 60.0  # seconds: plans that were made for an empty table read all of it once it is full

SESSION = "waypost-schedule"  # name in pg_stat_activity

log = structlog.get_logger("waypost.schedule")


class WorkQuery:
    """Evaluate SQL expressions, many in one statement."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._planned_at = 0.0
        self._is_away = False

    def __call__(self, conditions: list[str]) -> list[bool]:
        """Return whether each of these SQL expressions is true; False for all while the database is away."""
        if not conditions:
            return []
        try:
            row = self._opened().execute(f"SELECT {', '.join(conditions)}".encode(), prepare=True).fetchone()
        except psycopg.Error as error:
            if not self._is_away:
                log.warning("the schedule waits for the database", error=repr(error))
            self._is_away = True
            self.close()
            return [False] * len(conditions)
        self._is_away = False
        return [bool(value) for value in row or ()]

    def _opened(self) -> "psycopg.Connection[Any]":
        if self._connection is None:
            self._connection = psycopg.connect(**_parameters())
            vars(self._connection)["wait"] = partial(self._connection.wait, timeout=STATEMENT_WITHIN)
            self._connection.execute(f"SET statement_timeout = {int(STATEMENT_WITHIN * 1000)}".encode())
            self._planned_at = time.monotonic()
        elif time.monotonic() - self._planned_at > PLAN_LIFETIME:
            self._connection.execute("DISCARD PLANS")
            self._planned_at = time.monotonic()
        return self._connection

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abandon(self) -> None:
        """Close the descriptor in a forked process, without ending the session of the parent."""
        if self._connection is not None:
            with suppress(OSError, psycopg.Error):
                os.close(self._connection.fileno())


def _parameters() -> dict[str, Any]:
    ours = {"application_name": SESSION, "connect_timeout": CONNECT_WITHIN, "autocommit": True}
    return connection.get_connection_params() | ours
