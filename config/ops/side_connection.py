"""Hold a connection to the database that cannot block its process for long, for the parent of a worker's processes.

It is not Django's, which the children would inherit; and it is not opened as Django's is, which starts an embedded
server and waits for that. The heartbeat and the schedule share one. To connect takes CONNECT_WITHIN seconds at most,
and a statement STATEMENT_WITHIN, also while the server hangs.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg
from django.db import connection

CONNECT_WITHIN = 2  # seconds, for each address of the database; libpq rounds less up to it
STATEMENT_WITHIN = 1.0  # seconds
SESSION = "waypost-worker"  # name of the shared one in pg_stat_activity
PLAN_LIFETIME = 60.0  # seconds: plans that were made for an empty table read all of it once it is full


class SideConnection:
    """Run short statements, each in a transaction of its own. ``session``: its name in pg_stat_activity."""

    def __init__(self, session: str) -> None:
        self._session = session
        self._connection: psycopg.Connection[Any] | None = None
        self._parents: psycopg.Connection[Any] | None = None  # kept, since its end would warn
        self._planned_at = 0.0

    def execute(self, statement: str, parameters: Mapping[str, Any] | None = None) -> "psycopg.Cursor[Any]":
        """Run a statement. Raises psycopg.Error, and connects again at the next call."""
        try:
            return self._opened().execute(statement.encode(), parameters, prepare=True)
        except psycopg.Error:
            self.close()
            raise

    def _opened(self) -> "psycopg.Connection[Any]":
        if self._connection is None:
            self._connection = psycopg.connect(**self._parameters())
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
            self._parents, self._connection = self._connection, None

    def _parameters(self) -> dict[str, Any]:
        ours = {"application_name": self._session, "connect_timeout": CONNECT_WITHIN, "autocommit": True}
        # Without these two, which Django sets otherwise, nothing is prepared: each statement would be planned anew.
        prepared = {"cursor_factory": psycopg.Cursor, "prepare_threshold": 0}
        return connection.get_connection_params() | ours | prepared


shared = SideConnection(SESSION)
"""The connection of this process."""
