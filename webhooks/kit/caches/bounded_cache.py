"""Keep a bounded number of values by UUID in memory; the least recently stored are dropped first.

For what a process has learned and no database has, such as the rate limits of tenants (``delivery.fan_out.budget``) and
the seconds that handlers take (``webhooks.processing.turns.slow_sources``).
"""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar
from uuid import UUID

V = TypeVar("V")


class BoundedCache(Generic[V]):
    """Hold up to ``size`` values. Threads may share it; reading takes no lock."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[UUID, V] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: UUID) -> V | None:
        """Return the value of a key; None if it is missing."""
        return self._values.get(key)

    def put(self, key: UUID, value: V) -> None:
        """Store a value; drop the least recently stored if there are too many."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)

    def clear(self) -> None:
        """Drop all values."""
        with self._lock:
            self._values.clear()
