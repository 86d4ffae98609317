"""Count in memory by subject and period, an hour by default, and add the counts to the database by one upsert.

Counting costs a request no statement, and statistics need no scan of a large table. Counts are written every few
seconds, either by a thread of this object (``thread_name``) or by the owner's own loop calling ``write``.

Failure: counts that the database refuses are kept for the next write. Counts of a process that is killed before it
wrote them are lost: these are figures to look at, not records.

Used for sources (``webhooks.sources.source_counts``), endpoints (``delivery.sending.attempt_stats``, by five minutes)
and looks at payloads (``webhooks.audit.key_looks``).
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import structlog
from django.db import Error, connection

HOUR = 3600  # seconds
WRITE_EVERY = 5.0  # seconds between two writes of the thread

log = structlog.get_logger("waypost.hourly_counts")


class Counts(Protocol):
    """Describe the counts of one subject in one hour."""

    def add(self, item: Any) -> None:
        """Count one item of the subject."""

    def merge(self, other: Any) -> None:
        """Add other counts of the same subject and hour."""


C = TypeVar("C", bound=Counts)
Rows = Sequence[tuple[UUID, datetime, C]]


class HourlyCounts(Generic[C]):
    """Count items by subject and hour, or by periods of another length (``seconds``).

    ``upsert`` writes rows (subject, begin of the period, counts) in one transaction.
    """

    def __init__(
        self, new: Callable[[], C], upsert: Callable[[Rows[C]], None], *, thread_name: str = "", seconds: int = HOUR
    ) -> None:
        self._new = new
        self._upsert = upsert
        self._seconds = seconds
        self._thread_name = thread_name
        self._lock = threading.Lock()
        self._counts: dict[tuple[UUID, int], C] = {}
        self._has_counts = threading.Event()
        self._process = 0  # whose thread runs: threads do not survive a fork

    def add(self, subject: UUID, item: Any, at: float) -> None:
        """Count one item at this time (unix seconds). Returns at once."""
        self.add_all(subject, [(item, at)])

    def add_all(self, subject: UUID, items: Sequence[tuple[Any, float]]) -> None:
        """Count these items, each at its time (unix seconds). Returns at once."""
        if self._thread_name and self._process != os.getpid():
            self.start_thread()
        with self._lock:
            counts, of_period = None, 0
            for item, at in items:
                period = int(at) // self._seconds
                if counts is None or period != of_period:
                    counts, of_period = self._of_period(subject, period), period
                counts.add(item)
        if not self._has_counts.is_set():  # cheaper than to set it again
            self._has_counts.set()

    def _of_period(self, subject: UUID, period: int) -> C:
        counts = self._counts.get((subject, period))
        if counts is None:
            counts = self._counts[subject, period] = self._new()
        return counts

    def write(self) -> None:
        """Write all counts. Raises django.db.Error, and then keeps them for the next call."""
        with self._lock:
            counts, self._counts = self._counts, {}
        if not counts:
            return
        # In the order of the keys, so that two processes that write cannot deadlock.
        ordered = sorted(counts.items(), key=lambda entry: entry[0])
        try:
            self._upsert(
                [
                    (subject, datetime.fromtimestamp(period * self._seconds, UTC), one)
                    for (subject, period), one in ordered
                ]
            )
        except Error:
            self._keep(counts)
            raise

    def try_write(self) -> None:
        """Write all counts; log a failure of the database and keep them."""
        try:
            self.write()
        except Error as error:
            log.warning("hourly counts not written", error=repr(error))

    def clear(self) -> None:
        """Forget all counts that are not written."""
        with self._lock:
            self._counts = {}

    def start_thread(self) -> None:
        """Start this process's thread that writes the counts, unless it runs."""
        with self._lock:
            if self._process == os.getpid():
                return
            self._counts, self._has_counts = {}, threading.Event()
            threading.Thread(target=self._write_regularly, name=self._thread_name, daemon=True).start()
            self._process = os.getpid()

    def _keep(self, counts: dict[tuple[UUID, int], C]) -> None:
        with self._lock:
            for key, newer in self._counts.items():
                if key in counts:
                    counts[key].merge(newer)
                else:
                    counts[key] = newer
            self._counts = counts

    def _write_regularly(self) -> None:
        while True:
            self._has_counts.wait()
            self._has_counts.clear()
            time.sleep(WRITE_EVERY)
            self.try_write()
            connection.close()
