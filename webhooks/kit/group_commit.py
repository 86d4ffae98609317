"""Whoever comes while another is writing is written with the next: several messages share one transaction.

A commit costs the database about the same for one row as for ten, and a round trip costs us more than the row. So a
writer, a thread with its own connection, writes for all who have come meanwhile, and each is answered after the
commit, as if it had written itself. Nobody waits for company: whoever finds nobody writing is written at once.

A row the database refuses fails its own request and no other: the batch is then written row by row. A connection
that breaks fails all that were in it, and each of their senders comes back.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from django.db import Error, InterfaceError, OperationalError, connection

M = TypeVar("M")
R = TypeVar("R")
Write = Callable[[Sequence[M]], Sequence[R]]

MOST = 64  # in one transaction
ASKED_AFTER = 1.0  # seconds without a message, after which the connection is asked whether it lives


class Waiting(Protocol):
    """What those who come wait with: as ``threading.Event``."""

    def set(self) -> None: ...

    def wait(self) -> object: ...


new_flag: Callable[[], Waiting] = threading.Event
"""A server whose threads have something else to do meanwhile puts its own here (see ``config.web.crew``)."""


_writers = ThreadPoolExecutor(1, "together")


_helpers = ThreadPoolExecutor(8, "aside")


def aside(work: Callable[[], R]) -> R:
    """What this returns or raises, done by another thread: for what may take seconds, so that the thread that waits for
    it can do something else."""
    flag = new_flag()

    def do() -> R:
        try:
            return work()
        finally:
            flag.set()

    try:
        done = _helpers.submit(do)
    except RuntimeError:  # no thread is to be had, or the process is ending
        return work()
    flag.wait()
    return done.result()


class _Turn(Generic[M, R]):
    """One who waits for the result."""

    __slots__ = ("error", "message", "over", "results")

    def __init__(self, message: M) -> None:
        self.message = message
        self.over = new_flag()
        self.error: BaseException | None = None
        self.results: list[R] = []

    def result(self) -> R:
        if self.error is not None:
            raise self.error
        return self.results[0]


class Together(Generic[M, R]):
    """``write`` takes some messages, in one transaction, and returns what became of each."""

    def __init__(self, write: Write[M, R]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._waiting: list[_Turn[M, R]] = []
        self._busy = False
        self._wrote_at = 0.0

    def add(self, message: M) -> R:
        """What became of this message, once that is committed. Raises what writing it raised."""
        turn: _Turn[M, R] = _Turn(message)
        with self._lock:
            self._waiting.append(turn)
            is_first, self._busy = not self._busy, True
        if is_first:
            try:
                _writers.submit(self._write_all)
            except RuntimeError:  # no thread is to be had, or the process is ending
                self._write_all()
        turn.over.wait()
        return turn.result()

    def _write_all(self) -> None:
        """Write until nobody waits."""
        while batch := self._who_wait():
            self._look_after_the_connection()
            self._settle(batch)
            for turn in batch:
                turn.over.set()

    def _look_after_the_connection(self) -> None:
        """As Django does between requests. One that was not used for a while may have been cut."""
        now = time.monotonic()
        try:
            connection.close_if_unusable_or_obsolete()
            if now - self._wrote_at > ASKED_AFTER:
                connection.close_if_health_check_failed()
        except Error:
            pass  # whoever writes next hears of it
        self._wrote_at = now

    def _who_wait(self) -> list[_Turn[M, R]]:
        with self._lock:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            self._busy = bool(batch)
        return batch

    def _settle(self, batch: Sequence[_Turn[M, R]]) -> None:
        try:
            results = self._write([turn.message for turn in batch])
        except BaseException as error:
            if len(batch) == 1 or isinstance(error, (OperationalError, InterfaceError)):
                _fail(batch, error)
                return
            for turn in batch:
                self._settle([turn])
        else:
            for turn, result in zip(batch, results, strict=True):
                turn.results.append(result)


def _fail(batch: Sequence[_Turn[M, R]], error: BaseException) -> None:
    for turn in batch:
        turn.error = error
