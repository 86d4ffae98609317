"""Cache values in the memory of a process for a short time, so that a hot path makes one query a second, not one each.

``TimedCache`` is for cheap values: threads may compute one at the same time. ``SingleFlight`` is for costly ones that
anyone may request, such as metrics, readiness and pages: one thread computes, the others wait for its result.

A change therefore takes effect within ``max_age`` in other processes; the process that makes it calls ``discard`` or
``clear``. Values that do not exist are not cached, so that guessing keys cannot fill the memory.

Used for API keys, the default plan and the version of the event types (``subscriptions``) and for sources
(``webhooks.sources``).
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class TimedCache(Generic[K, V]):
    """Hold the results of ``load`` for ``max_age`` seconds; at ``max_size`` values all are dropped and loaded again.

    ``load`` may return None for a key without a value. Threads may share a cache; two may load a key at the same time.
    """

    def __init__(self, load: Callable[[K], V], *, max_age: float = 1.0, max_size: int = 10_000) -> None:
        self.max_age = max_age
        self.max_size = max_size
        self._load = load
        self._values: dict[K, tuple[float, V]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V:
        """Return the value of a key, at most ``max_age`` seconds old."""
        now = monotonic()
        cached = self._values.get(key)
        if cached is not None and now - cached[0] < self.max_age:
            return cached[1]
        value = self._load(key)
        if value is None:
            self._values.pop(key, None)
        else:
            if len(self._values) >= self.max_size:
                self._values.clear()
            self._values[key] = (now, value)
        return value

    def peek(self, key: K) -> tuple[V | None, bool]:
        """Return the last value of a key, of any age, and whether it is young enough for ``get``; loads nothing."""
        at, value = self._values.get(key, (0.0, None))
        return value, value is not None and monotonic() - at < self.max_age

    def discard(self, key: K) -> None:
        """Drop the value of a key."""
        self._values.pop(key, None)

    def clear(self) -> None:
        """Drop all values."""
        self._values.clear()


@dataclass(slots=True)
class _Entry(Generic[V]):
    """One value, once ``computed_at`` is set; its lock is held by the thread that computes it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    computed_at: float | None = None
    value: V | None = None


class SingleFlight(Generic[K, V]):
    """Hold the results of ``compute`` by key for ``max_age`` seconds; at ``max_size`` keys all are dropped.

    An exception of ``compute`` reaches its caller; the next of those that wait computes again.
    """

    def __init__(self, compute: Callable[[K], V], *, max_age: float = 1.0, max_size: int = 1_000) -> None:
        self._compute = compute
        self._max_age = max_age
        self._max_size = max_size
        self._entries: dict[K, _Entry[V]] = {}

    def get(self, key: K) -> V:
        """Return the value of a key, at most ``max_age`` seconds old."""
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= self._max_size:
                self._entries.clear()
            entry = self._entries.setdefault(key, _Entry())
        if not self._is_fresh(entry):
            with entry.lock:
                if not self._is_fresh(entry):
                    entry.value = self._compute(key)
                    entry.computed_at = monotonic()
        return entry.value  # type: ignore[return-value]  # set whenever computed_at is

    def clear(self) -> None:
        """Drop all values."""
        self._entries.clear()

    def _is_fresh(self, entry: _Entry[V]) -> bool:
        return entry.computed_at is not None and monotonic() - entry.computed_at < self._max_age
