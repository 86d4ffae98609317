"""Mark lanes due a little after the commit that has notified their drains, for many commits together.

A lane is marked after each commit, because the drain that the commit has notified may have released it just before
(docs/why/lanes.md). It rarely has, so this mark can wait for others. A mark that is lost is made up by the sweep.
"""

import threading
from collections.abc import Callable, Iterable
from uuid import UUID

from delivery.notify import mark_late

PAUSE = 0.25  # seconds; the marks of that time are made by one statement

Submit = Callable[[Callable[[], None]], object]


class LateMarks:
    """The lanes that one process marks late. ``submit`` runs a call on a thread with a database connection."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit
        self._endpoints: set[UUID] = set()
        self._lock = threading.Lock()

    def add(self, endpoint_ids: Iterable[UUID]) -> None:
        """Mark the lanes of these endpoints within PAUSE. Returns at once."""
        with self._lock:
            is_first = not self._endpoints
            self._endpoints.update(endpoint_ids)
        if is_first:
            self.start_timer()

    def start_timer(self) -> None:
        """Mark after PAUSE what has been added by then."""
        timer = threading.Timer(PAUSE, self._submit, [self.mark])
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # no thread is available, or the process is ending
            self.mark()

    def mark(self) -> None:
        """Mark what has been added. Never raises."""
        with self._lock:
            endpoint_ids, self._endpoints = self._endpoints, set()
        if endpoint_ids:
            mark_late(endpoint_ids)
