"""Cache values in the memory of a process for a short time, so that a hot path makes one query a second, not one each.

For cheap values: threads may load one at the same time. Costly ones are in ``single_flight``.

A change therefore takes effect within ``max_age`` in other processes; the process that makes it calls ``discard`` or
``clear``. Values that do not exist are not cached, so that guessing keys cannot fill the memory.

With ``refreshes`` a value in use is loaded again before its end: the first caller that meets a value older than half of
``max_age`` has the background thread load it, and goes on with the old value, as do all others until the new one is
there. No caller waits, one query serves them all, and values that are not used cost no query. ``max_age`` is counted
from the start of the load and remains the limit: if the refresh fails or is late, a value that is older is loaded by
the caller that needs it.

Used for API keys, the default plan and the version of the event types (``subscriptions``), for sources
(``webhooks.sources``) and for the events of a month (``delivery.publishing.monthly_quota``), all of them refreshed.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Generic, TypeVar

from webhooks.kit.caches.refresher import refresher

K = TypeVar("K")
V = TypeVar("V")

REFRESH_AFTER = 0.5  # share of ``max_age``


@dataclass(eq=False, slots=True)
class _TimedValue(Generic[V]):
    """Keep a value and when its load began, replaced together; the lock is acquired once for each refresh.

    A refresh replaces ``loaded`` here, not the entry in the cache: a key that is discarded meanwhile stays discarded.
    """

    loaded: tuple[float, V]
    refresh: threading.Lock = field(default_factory=threading.Lock)


class TimedCache(Generic[K, V]):
    """Hold the results of ``load`` for ``max_age`` seconds; at ``max_size`` values all are dropped and loaded again.

    ``load`` may return None for a key without a value. Threads may share a cache; two may load a key at the same time.
    ``refreshes``: a value in use is loaded again ahead of its end, on a thread with a database connection of its own,
    so ``load`` must not need the caller's transaction.
    """

    def __init__(
        self, load: Callable[[K], V], *, max_age: float = 1.0, max_size: int = 10_000, refreshes: bool = False
    ) -> None:
        self.max_age = max_age
        self.max_size = max_size
        self._load = load
        self._refreshes = refreshes
        self._entries: dict[K, _TimedValue[V]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V:
        """Return the value of a key, at most ``max_age`` seconds old."""
        known, is_recent = self.peek(key)
        if known is not None and is_recent:
            return known
        began = monotonic()
        value = self._load(key)
        if value is None:
            self._entries.pop(key, None)
        else:
            if len(self._entries) >= self.max_size:
                self._entries.clear()
            self._entries[key] = _TimedValue((began, value))
        return value

    def peek(self, key: K) -> tuple[V | None, bool]:
        """Return the last value of a key, of any age, and whether it is young enough for ``get``; never waits."""
        entry = self._entries.get(key)
        if entry is None:
            return None, False
        began, value = entry.loaded
        age = monotonic() - began
        is_recent = age < self.max_age
        if self._refreshes and is_recent and age >= self.max_age * REFRESH_AFTER:
            self._start_refresh(key, entry)
        return value, is_recent

    def discard(self, key: K) -> None:
        """Drop the value of a key."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Drop all values."""
        self._entries.clear()

    def _start_refresh(self, key: K, entry: _TimedValue[V]) -> None:
        """Have the value loaded in the background, unless that has begun, or has failed, before."""
        if entry.refresh.acquire(blocking=False):
            refresher().submit(partial(self._refresh, key, entry))

    def _refresh(self, key: K, entry: _TimedValue[V]) -> None:
        """Load the value again, unless it has been dropped or has become too old; a failure leaves it as it is."""
        began = monotonic()
        if self._entries.get(key) is not entry or began - entry.loaded[0] >= self.max_age:
            return
        value = self._load(key)
        if value is None:
            self._entries.pop(key, None)
        else:
            entry.loaded = began, value
            entry.refresh.release()
