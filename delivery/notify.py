"""The bell: after a commit, tell whoever drains to look. It carries nothing and nothing depends on it.

It has two clappers. A NOTIFY of the database, sent with the mark on the lanes, wakes every drain that is running.
A Celery message, at most once a second from each process, starts a drain where none is running; beat sends the
same every second. A ring that is lost therefore costs a second, not an event.
"""

import time
from collections.abc import Iterable
from threading import Lock
from uuid import UUID

import psycopg
from celery import current_app
from django.db import Error, connection
from kombu.exceptions import OperationalError

from delivery import telemetry
from delivery.sql.due import CHANNEL, LANE_AVAILABLE, mark_lanes_due

__all__ = ["Bell", "call", "call_drain", "ring"]

DRAIN = "delivery.deliver_due"
EVERY = 1.0  # seconds between two messages of one process
BUDGET = 0.1  # seconds the broker may take

_lock = Lock()
_called_at = -EVERY


def ring(endpoint_ids: Iterable[UUID]) -> None:
    """These endpoints are owed something, and it is committed. Never raises: the sweep would find it too."""
    try:
        mark_lanes_due(list(endpoint_ids))
    except Error:
        telemetry.ring_failed("database")
    call_drain()


def call_drain(*, even_if_just_called: bool = False) -> None:
    """Have a worker start a drain, unless this process asked for one less than a second ago. Never raises."""
    global _called_at
    with _lock:
        now = time.monotonic()
        if now - _called_at < EVERY and not even_if_just_called:
            return
        _called_at = now
    call(DRAIN, "delivery")


def call(task: str, queue: str) -> None:
    """Have a worker run this task at once, where beat would within its period. Never raises."""
    options = {"socket_connect_timeout": BUDGET, "socket_timeout": BUDGET, "max_retries": 0}
    try:
        with current_app.connection_for_write(transport_options=options, connect_timeout=BUDGET) as broker:
            current_app.send_task(task, queue=queue, expires=EVERY, retry=False, connection=broker, ignore_result=True)
    except (OperationalError, OSError):
        telemetry.ring_failed("broker")


class Bell:
    """A drain's ear: readable (``fileno``) when somebody has rung. Deaf while the database is away: then the drain
    looks by itself, as it does anyway every now and then."""

    def __init__(self) -> None:
        self._line: psycopg.Connection | None = None
        self._listen()

    def _listen(self) -> None:
        try:
            self._line = connection.get_new_connection(connection.get_connection_params())
            self._line.autocommit = True
            self._line.execute(f"LISTEN {CHANNEL}")
        except (Error, psycopg.Error):
            self._line = None

    def fileno(self) -> int:
        return -1 if self._line is None else self._line.fileno()

    def heard(self) -> set[str]:
        """What it has said since the last time (see ``mark_lanes_due``), nothing if it was not rung. Does not wait."""
        if self._line is None:
            self._listen()
            return set() if self._line is None else {LANE_AVAILABLE}
        try:
            return {it.payload for it in self._line.notifies(timeout=0)}
        except psycopg.Error:
            self.close()
            return {LANE_AVAILABLE}  # nobody knows what was missed

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
