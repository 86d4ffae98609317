"""Evaluate the conditions of periodic tasks, without blocking the process for long (``config.ops.side_connection``).

Failure: while the database is away no condition is known; there is one line in the log then, and one when it is back.
"""

from typing import Any

import psycopg

from config.ops.side_connection import SideConnection, shared
from delivery.load.heartbeats import HeartbeatWriter
from delivery.sql.load.heartbeats import WRITE_HEARTBEAT
from webhooks.kit.process.availability import Availability


class WorkQuery:
    """Evaluate SQL expressions in one statement, which has all expressions of earlier calls and skips those not asked.

    So the statement is always the same, and the server keeps its plan.
    """

    def __init__(self, connection: SideConnection = shared) -> None:
        self._known: dict[str, None] = {}  # in the order in which they were first asked
        self._connection = connection
        self._database = Availability("database")

    def __call__(self, conditions: list[str]) -> list[bool] | None:
        """Return whether each of these SQL expressions is true; None while the database is away."""
        if not conditions:
            return []
        self._known |= dict.fromkeys(conditions)
        known = (each.replace("%", "%%") for each in self._known)
        parts = (f"CASE WHEN (%(asked)s::bool[])[{place}] THEN {each} END" for place, each in enumerate(known, 1))
        row = self._try(f"SELECT ARRAY[{', '.join(parts)}]", {"asked": [each in conditions for each in self._known]})
        if row is None:
            return None
        found = dict(zip(self._known, row[0], strict=True))
        return [bool(found[each]) for each in conditions]

    def write_heartbeat(self, heartbeat: HeartbeatWriter) -> None:
        """Write that the schedule is alive, if that is due."""
        if heartbeat.is_due():
            self._try(WRITE_HEARTBEAT, heartbeat.row()._asdict())

    def _try(self, statement: str, parameters: dict[str, Any] | None = None) -> tuple[Any, ...] | None:
        """Return the first row of a statement, or an empty one; None while the database is away."""
        try:
            cursor = self._connection.execute(statement, parameters)
            row = cursor.fetchone() if cursor.description else ()
        except psycopg.Error as error:
            self._database.on_failure(error)
            return None
        self._database.on_success()
        return row or ()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()

    def abandon(self) -> None:
        """Leave the connection to the parent, in a forked process."""
        self._connection.abandon()
