"""Whoever comes while another is writing is written with the next: several messages share one transaction.

A commit costs the database about the same for one row as for ten, and a round trip costs us more than the row. So
one thread of the process writes at a time, for all who have come meanwhile, and each is answered after the commit,
as if it had written itself. Nobody waits for company: whoever finds nobody writing, writes at once. There is no
thread for it either; one of those who wait is told to write next, on its own connection.

A row the database refuses fails its own request and no other: the batch is then written row by row. A connection
that breaks fails all that were in it, and each of their senders comes back.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from django.db import Error, InterfaceError, OperationalError

M = TypeVar("M")
R = TypeVar("R")
Write = Callable[[Sequence[M]], Sequence[R]]

MOST = 64  # in one transaction: a web process has fewer threads


class _Turn(Generic[M, R]):
    """One who waits: for the result, or for being told to write."""

    __slots__ = ("error", "message", "over", "results", "wake")

    def __init__(self, message: M) -> None:
        self.message = message
        self.wake = threading.Lock()
        self.wake.acquire()
        self.over = False
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

    def add(self, message: M) -> R:
        """What became of this message, once that is committed. Raises what writing it raised."""
        turn: _Turn[M, R] = _Turn(message)
        with self._lock:
            self._waiting.append(turn)
            mine, self._busy = not self._busy, True
        if not mine:
            turn.wake.acquire()
        if not turn.over:
            self._lead()
        return turn.result()

    def _lead(self) -> None:
        """Write for all who wait (oneself is among them), then tell the first of those who came meanwhile."""
        with self._lock:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            self._settle(batch)
        finally:
            with self._lock:
                successor = self._waiting[0] if self._waiting else None
                self._busy = successor is not None
            for turn in batch:
                turn.over = True
                turn.wake.release()
            if successor is not None:
                successor.wake.release()

    def _settle(self, batch: Sequence[_Turn[M, R]]) -> None:
        try:
            results = self._write([turn.message for turn in batch])
        except Error as error:
            if len(batch) == 1 or isinstance(error, (OperationalError, InterfaceError)):
                _fail(batch, error)
                return
            for turn in batch:
                self._settle([turn])
        except BaseException as error:
            _fail(batch, error)
        else:
            for turn, result in zip(batch, results, strict=True):
                turn.results.append(result)


def _fail(batch: Sequence[_Turn[M, R]], error: BaseException) -> None:
    for turn in batch:
        turn.error = error
