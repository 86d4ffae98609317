"""Run the steps of a drain that need the database; while it is away, connect again and go on sending."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from django.db import Error, InterfaceError, OperationalError, connection

from delivery.transports.waiting import Waiting
from webhooks.kit import sql
from webhooks.kit.notify import DATABASE

CONNECT_WITHIN = 3.0  # seconds to wait for a connection before the loop looks whether to go on
CONNECT_POLL = 0.01  # seconds between two checks whether a connection was made
DATABASE_RETRY_AFTER = 0.5  # seconds to wait while the database is away


class DatabaseSteps:
    """Run steps on the connection of one drain, and call ``progress`` while there is none."""

    def __init__(self, waiting: Waiting, progress: Callable[[], None]) -> None:
        self.is_database_away = False
        self._waiting = waiting
        self._progress = progress
        self._connecting: Future[None] | None = None  # a connection that is being tried

    def prepare_connection(self) -> None:
        """Have statements use indexes, and the drain send while they run."""
        sql.force_index_plans()
        sql.wait_with(self._waiting.for_statement)

    def run(self, *steps: Callable[[], None]) -> None:
        """Run the steps in order; wait if the database is away."""
        if self.is_database_away and not self._reconnect():
            return
        try:
            for step in steps:
                step()
        except (OperationalError, InterfaceError) as error:
            DATABASE.on_failure(error)
            self.is_database_away = True
            with suppress(Error):
                connection.close()

    def _reconnect(self) -> bool:
        """Connect again; return whether the database was reached."""
        self._pause(DATABASE_RETRY_AFTER)
        tried = self._connecting = self._connecting or sql.try_connect()
        until = time.monotonic() + CONNECT_WITHIN
        while not tried.done() and time.monotonic() < until:
            self._pause(CONNECT_POLL)
        if not tried.done():
            return False
        self._connecting = None
        if tried.exception() is not None:
            return False
        with suppress(Error):
            self.prepare_connection()
            self.is_database_away = False
            DATABASE.on_success()
        return not self.is_database_away

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._waiting.for_events(left)
            self._progress()
