"""Cache a bounded number of values by UUID; the least recently stored are dropped first."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar
from uuid import UUID

V = TypeVar("V")


class LruCache(Generic[V]):
    """Hold up to ``size`` values. Threads may share it; reading takes no lock."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[UUID, V] = OrderedDict()
        self._lock = Lock()

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
