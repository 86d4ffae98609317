"""Keep values of many tenants in memory, so that one tenant's values displace those of no other.

Used for resolved names (``webhooks.outgoing.resolver``) and published keys (``webhooks.receiving.published_keys``).
"""

from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class PartitionedCache(Generic[V]):
    """Hold at most ``max_size`` values; beyond that, the partition (a tenant) with the most loses its oldest value.

    Threads may share a cache.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self._size = 0
        self._partitions: dict[Hashable, dict[Hashable, V]] = {}  # each with its oldest value first
        self._lock = Lock()

    def __len__(self) -> int:
        return self._size

    def get(self, partition: Hashable, key: Hashable) -> V | None:
        """Return a value, or None."""
        return self._partitions.get(partition, {}).get(key)

    def put(self, partition: Hashable, key: Hashable, value: V) -> None:
        """Set a value, which becomes the newest of its partition."""
        with self._lock:
            values = self._partitions.setdefault(partition, {})
            self._size += values.pop(key, None) is None
            values[key] = value
            if self._size > self.max_size:
                self._drop_one()

    def clear(self) -> None:
        """Drop all values."""
        with self._lock:
            self._partitions.clear()
            self._size = 0

    def _drop_one(self) -> None:
        partition, values = max(self._partitions.items(), key=lambda item: len(item[1]))
        del values[next(iter(values))]
        self._size -= 1
        if not values:
            del self._partitions[partition]
