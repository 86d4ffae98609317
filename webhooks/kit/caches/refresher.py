"""Load cached values again on one background thread of the process, while callers still use the old ones.

The thread has a database connection of its own. It ends, and closes the connection, after ``IDLE_SECONDS`` without
work, so a process whose caches are not used has neither. One thread is enough: each value takes one short query, and a
value that is not loaded in time is loaded by the next caller that needs it.
"""

import threading
from collections import deque
from collections.abc import Callable

import structlog
from django.db import connection

from webhooks.kit.process.per_process import PerProcess

IDLE_SECONDS = 5.0  # without work, after which the thread ends
MAX_WAITING = 1_000  # calls that wait; further ones are dropped

log = structlog.get_logger("waypost.caches")

Load = Callable[[], None]


class Refresher:
    """Call functions that load values, one after the other."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._waiting: deque[Load] = deque()
        self._is_running = False
        self._has_work = threading.Condition()

    def submit(self, load: Load) -> None:
        """Have ``load`` called soon on the background thread. Never waits, never raises.

        ``load`` is not called if MAX_WAITING calls wait or no thread is available. An exception of ``load`` is logged,
        and the connection is closed, since it may be broken.
        """
        with self._has_work:
            if len(self._waiting) >= MAX_WAITING:
                return
            self._waiting.append(load)
            if self._is_running:
                self._has_work.notify()
            else:
                self._is_running = self.start_thread()

    def start_thread(self) -> bool:
        """Start the thread; return whether it runs now."""
        try:
            threading.Thread(target=self._run, name="cache-refresh", daemon=True).start()
        except RuntimeError:  # no thread is available, or the process is ending
            self._waiting.clear()
            return False
        return True

    def _run(self) -> None:
        while (load := self._next()) is not None:
            try:
                load()
            except Exception as error:
                log.warning("cached value not refreshed", error=repr(error))
                connection.close()
            del load  # what it refers to can be freed while the thread waits
        connection.close()

    def _next(self) -> Load | None:
        """Wait for work; None if the thread has to end."""
        with self._has_work:
            if self._has_work.wait_for(lambda: self._waiting, self._idle_seconds):
                return self._waiting.popleft()
            self._is_running = False
            return None


refresher = PerProcess(Refresher)
"""The background thread of this process."""
