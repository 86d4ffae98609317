"""Cache values that are costly to compute and that anyone may request, such as metrics, readiness and pages.

One thread computes a value, and the others that want it wait for the result.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


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
