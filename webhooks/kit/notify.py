"""Notify workers after a commit that work is due, by a Celery message or by PostgreSQL's LISTEN and NOTIFY.

A notification has no content and nothing depends on it: the work is a row, and the schedule (Celery beat) starts the
same tasks. A lost notification costs time, no work.

A message can hang with the broker and costs more than inserting a receipt, so no request waits for it: a TaskNotifier
sends from one thread per process, and any number of notifications within its pause become one message.

Failure: counted in ``waypost_wakeups_failed_total`` by channel and logged once until it works again, never raised. A
Listener that lost its connection reports that it may have missed something, and connects again.

Used by the receiver (``webhooks.processing.notify``) and by publishing and the drain (``delivery.notify``).
"""

import os
import threading
import time
from collections.abc import Mapping
from typing import Any

import psycopg
import structlog
from celery import current_app
from django.db import Error, connection

from webhooks.kit import sql
from webhooks.kit.metrics.gathered import GatheredCounter
from webhooks.kit.postgresql.prepared_statements import PreparedStatements
from webhooks.kit.process.availability import Availability

BUDGET = 0.1  # seconds the broker may take where a caller waits for it
EXPIRES = 10  # seconds after which a worker drops a message that it has not begun: the schedule has sent the same
# A listener sends nothing, so it asks after 5 seconds of silence, and every 2, whether the server is still reachable.
KEEPALIVE = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
PAUSE_AFTER_FAILURE = 1.0  # seconds without messages after one that failed

WAKEUPS_FAILED = GatheredCounter(
    "waypost_wakeups_failed_total",
    "Notifications of workers that failed, by channel: broker, database, writer. The schedule covers them.",
    ["channel"],
    series=[("broker",), ("database",), ("writer",)],
)
BROKER, DATABASE = Availability("broker"), Availability("database")
log = structlog.get_logger("waypost.notify")


def wakeup_failed(channel: Availability, error: BaseException) -> None:
    """Count a notification that failed on this channel, BROKER or DATABASE, and log the first."""
    WAKEUPS_FAILED.add(1, channel.name)
    channel.on_failure(error)


def after_commit_failed(error: BaseException) -> None:
    """Count and log a notification that failed after a commit."""
    WAKEUPS_FAILED.add(1, "writer")
    log.error("after-commit notification failed", exc_info=error)


def send_task(task: str, queue: str, *, expires: float = EXPIRES) -> None:
    """Have a worker run this task now, where the schedule would within its period. Waits for BUDGET at most."""
    options = {"socket_connect_timeout": BUDGET, "socket_timeout": BUDGET, "max_retries": 0}
    try:
        with current_app.connection_for_write(transport_options=options, connect_timeout=BUDGET) as broker:
            current_app.send_task(
                task, queue=queue, expires=expires, retry=False, connection=broker, ignore_result=True
            )
        BROKER.on_success()
    except Exception as error:
        wakeup_failed(BROKER, error)


class TaskNotifier:
    """Have a worker run a task soon: one message for all notifications within ``pause`` seconds of a process."""

    def __init__(self, task: str, queue: str, *, pause: float, expires: float = EXPIRES) -> None:
        self.task = task
        self.queue = queue
        self._pause = pause
        self._expires = expires
        self._is_due = threading.Event()
        self._lock = threading.Lock()
        self._process = 0  # whose thread runs: threads do not survive a fork

    def notify(self) -> None:
        """Notify the workers, after the commit. Returns at once and never raises."""
        if self._process != os.getpid():
            self._start_thread()
        self._is_due.set()

    def send(self) -> bool:
        """Send one message and return whether the broker accepted it. A project without a broker sends none."""
        if not current_app.conf.broker_url:
            return True
        try:
            current_app.send_task(self.task, queue=self.queue, expires=self._expires, retry=False, ignore_result=True)
        except Exception as error:
            wakeup_failed(BROKER, error)
            return False
        BROKER.on_success()
        return True

    def _start_thread(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                return
            self._is_due = threading.Event()
            try:
                threading.Thread(target=self._send_when_due, name=f"notify-{self.queue}", daemon=True).start()
            except RuntimeError as error:  # no thread is available, or the process is ending
                wakeup_failed(BROKER, error)
                return
            self._process = os.getpid()

    def _send_when_due(self) -> None:
        while True:
            self._is_due.wait()
            self._is_due.clear()
            time.sleep(self._pause if self.send() else max(self._pause, PAUSE_AFTER_FAILURE))


class Listener:
    """Listen on PostgreSQL channels, on a connection of its own; readable (``fileno``) when a notification is there.

    While the database is unavailable ``fileno`` is -1, and each call of ``received`` tries to connect again. ``missed``
    is the payload that is reported when notifications may have been missed. ``setup``: a statement that runs on each
    connection once it listens.
    """

    def __init__(self, *channels: str, missed: str, setup: str = "") -> None:
        self._channels = channels
        self._missed = missed
        self._setup = setup
        self._connection: psycopg.Connection | None = None
        self._statements: PreparedStatements | None = None
        self._connect()

    def _connect(self) -> None:
        try:
            self._connection = connection.get_new_connection(KEEPALIVE | connection.get_connection_params())
            self._connection.autocommit = True
            statements = [*(f'LISTEN "{channel}"' for channel in self._channels), self._setup]
            self._connection.execute("; ".join(filter(None, statements)))
        except (Error, psycopg.Error):
            self._connection = None

    def fileno(self) -> int:
        """Return the connection's file descriptor for ``select``; -1 if it is not connected."""
        return -1 if self._connection is None else self._connection.fileno()

    def received(self) -> set[str]:
        """Return the payloads since the last call, without waiting; an empty set if there was no notification."""
        if self._connection is None:
            self._connect()
            return set() if self._connection is None else {self._missed}
        try:
            return self._read(self._connection.pgconn)
        except psycopg.Error:
            self.close()
            return {self._missed}

    def _read(self, server: "psycopg.pq.abc.PGconn") -> set[str]:
        """Read without psycopg's generator, which would not see what came with the rows of a statement."""
        server.consume_input()
        payloads: set[str] = set()
        while (found := server.notifies()) is not None:
            payloads.add(found.extra.decode())
        return payloads

    def run(self, statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run a short statement on the connection that listens; call ``received`` afterwards. Raises psycopg.Error."""
        if self._connection is None:
            raise psycopg.OperationalError("not connected")
        if self._statements is None or self._statements.connection is not self._connection:
            self._statements = sql.prepared_statements(self._connection)
        return self._statements.execute(statement, parameters)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
