"""Write every few seconds that a program is alive, with its version, load and last work.

A program that is killed, or that hangs, writes nothing more: the admin's page Processes shows it as silent, and an
alert says so. The program says who it is (``begin``); in a project that does not, nothing is written.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

from django.db import Error

from delivery.load.machine import NAME, Processors
from delivery.sql.load.heartbeats import HeartbeatRow, delete_heartbeat, write_heartbeat
from webhooks.version import VERSION

WRITE_EVERY = 10.0  # seconds between two heartbeats of a program
SLACK = 0.5  # seconds by which a heartbeat may be early, so that a timer of WRITE_EVERY seconds misses none
STATM = Path("/proc/self/statm")  # Linux; elsewhere the memory is 0
PAGE = os.sysconf("SC_PAGE_SIZE")


class HeartbeatWriter:
    """Measure one program, and write its heartbeat when the next one is due."""

    def __init__(self, role: str, name: str, *, is_child: bool = False) -> None:
        """``role``: one of Heartbeat.Role; ``name``: of the program on this machine; ``is_child``: in a child of it."""
        self.role, self.name = role, name
        self._pid = os.getppid() if is_child else os.getpid()
        self._started_at = time.monotonic()
        self._due_at = 0.0
        self._last_work = ""
        self._worked_at: float | None = None
        self._processors = Processors()

    def on_work(self, name: str) -> None:
        """Record the name of the task that the program works on now."""
        self._last_work, self._worked_at = name, time.monotonic()

    def is_due(self) -> bool:
        """Return whether a heartbeat is due."""
        return time.monotonic() >= self._due_at

    def row(self) -> HeartbeatRow:
        """Measure, and return what is to be written now."""
        now = time.monotonic()
        self._due_at = now + WRITE_EVERY - SLACK
        return HeartbeatRow(
            machine=NAME,
            role=self.role,
            name=self.name,
            pid=self._pid,
            version=VERSION,
            cpu=self._processors.read()[0],
            memory=_memory(),
            last_work=self._last_work,
            seconds_running=now - self._started_at,
            seconds_since_work=None if self._worked_at is None else now - self._worked_at,
        )

    def write(self) -> None:
        """Write a heartbeat if one is due. Raises django.db.Error."""
        if self.is_due():
            write_heartbeat(self.row())

    def stop(self) -> None:
        """Delete the row, since the program ends. If the database is away the row stays until it is forgotten."""
        with suppress(Error):
            delete_heartbeat({"machine": NAME, "role": self.role, "name": self.name, "pid": self._pid})


def _memory() -> int:
    try:
        return int(STATM.read_text().split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0


_begun: dict[int, HeartbeatWriter] = {}  # by process: a fork is another program


def begin(role: str, name: str) -> HeartbeatWriter:
    """Return the writer of this program, which ``current`` returns from now on."""
    _begun.clear()
    heartbeat = _begun[os.getpid()] = HeartbeatWriter(role, name)
    return heartbeat


def current() -> HeartbeatWriter | None:
    """Return the writer of this program; None if it has not said who it is."""
    return _begun.get(os.getpid())
