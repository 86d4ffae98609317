"""Cache values in the memory of a process for a short time, so that a hot path makes one query a second, not one each.

A change therefore takes effect within ``max_age`` in other processes; the process that makes it calls ``discard`` or
``clear``. Values that do not exist are not cached, so that guessing keys cannot fill the memory.

Used for API keys, the default plan and the version of the event types (``subscriptions``) and for sources
(``webhooks.sources``).
"""

from collections.abc import Callable
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

    def discard(self, key: K) -> None:
        """Drop the value of a key."""
        self._values.pop(key, None)

    def clear(self) -> None:
        """Drop all values."""
        self._values.clear()
