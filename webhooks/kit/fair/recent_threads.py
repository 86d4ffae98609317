"""Run work on the thread that became free last, so that few threads, their connections and their caches stay warm.

A ThreadPoolExecutor hands work to its idle threads in turn: with eight of them and 50 writes a second, each had a
database connection that was used six times a second, and its server process a cold cache each time.
"""

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Protocol

FINISH_WITHIN = 5.0  # seconds for work in progress when the process ends

_Work = tuple[Callable[..., Any], tuple[Any, ...]]


class Writers(Protocol):
    """Run work soon, on some thread."""

    def submit(self, work: Callable[..., Any], /, *args: Any) -> object:
        """Have a thread call ``work(*args)``, which does not raise. Raises RuntimeError if no thread can be had."""


class RecentThreads:
    """Up to ``most`` threads, each started when it is needed and no other is free."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[_Work]] = []  # of each idle thread, the one that became free last at the end
        self._waiting: deque[_Work] = deque()
        self._count = 0
        atexit.register(self._finish)

    def submit(self, work: Callable[..., Any], /, *args: Any) -> None:
        """Call ``work(*args)`` on a thread, at once if one is free or can be started."""
        with self._lock:
            if self._idle:
                self._idle.pop().put((work, args))
                return
            if self._count < self._most:
                inbox: SimpleQueue[_Work] = SimpleQueue()
                inbox.put((work, args))
                thread = threading.Thread(
                    target=self._run, args=(inbox,), name=f"{self._name}_{self._count}", daemon=True
                )
                thread.start()  # RuntimeError: no thread is available, or the process is ending
                self._count += 1
                return
            self._waiting.append((work, args))

    def idle(self) -> int:
        """Return how many threads wait for work."""
        with self._lock:
            return len(self._idle)

    def _run(self, inbox: SimpleQueue[_Work]) -> None:
        while True:
            work, args = inbox.get()
            try:
                work(*args)
            finally:
                del work, args
                with self._lock:
                    self._idle.append(inbox)
                    if self._waiting:
                        self._idle.pop().put(self._waiting.popleft())

    def _finish(self) -> None:
        until = time.monotonic() + FINISH_WITHIN
        while len(self._idle) < self._count and time.monotonic() < until:
            time.sleep(0.01)
