"""Keep values of many sizes and owners (tenants) in memory, within a size for all and a size for each owner.

Beyond the size of an owner its own values are dropped; beyond the size for all, those of any owner. Values that were
not read since the last round are dropped first (the CLOCK algorithm, a cheap approximation of least recently used), so
an owner whose values are in use keeps them.

Used for compiled patterns, route tables and delivery targets (``subscriptions.routing``), and for patterns of
handlers (``webhooks.processing``).
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

V = TypeVar("V")


@dataclass(eq=False, slots=True)
class _Entry:
    share: "CacheShare[Any]"
    key: Hashable
    value: Any
    size: int
    is_read: bool = False


_Entries = OrderedDict[Hashable, _Entry]


class SharedCache(Generic[V]):
    """Hold values up to a size over all owners, and up to ``owner_size`` for each. Threads may share it.

    The value stored last is always kept, even if it is larger.
    """

    def __init__(self, size: int, *, owner_size: int) -> None:
        self._size, self._owner_size = size, owner_size
        self._used = 0
        self._shares: WeakValueDictionary[Hashable, CacheShare[V]] = WeakValueDictionary()  # those in use
        self._entries: _Entries = OrderedDict()  # of all owners, by the identity of the entry
        self._lock = Lock()

    def share(self, owner: Hashable) -> "CacheShare[V]":
        """Return the share of an owner, which exists as long as it has values or is referred to."""
        share = self._shares.get(owner)
        if share is None:
            with self._lock:
                share = self._shares.setdefault(owner, CacheShare(self))
        return share

    def _put(self, share: "CacheShare[V]", key: Hashable, value: V, size: int) -> None:
        entry = _Entry(share, key, value, size)
        with self._lock:
            if (known := share.entries.get(key)) is not None:
                self._remove(known)
            while share.entries and share.used + size > self._owner_size:
                self._remove_oldest(share.entries)
            while self._entries and self._used + size > self._size:
                self._remove_oldest(self._entries)
            share.entries[key] = self._entries[id(entry)] = entry
            share.used += size
            self._used += size

    def _remove_oldest(self, entries: _Entries) -> None:
        """Remove the first entry that was not read since it was last passed over."""
        while True:
            key, entry = next(iter(entries.items()))
            if not entry.is_read:
                self._remove(entry)
                return
            entry.is_read = False
            entries.move_to_end(key)

    def _remove(self, entry: _Entry) -> None:
        del entry.share.entries[entry.key], self._entries[id(entry)]
        entry.share.used -= entry.size
        self._used -= entry.size


class CacheShare(Generic[V]):
    """The values of one owner."""

    __slots__ = ("__weakref__", "_cache", "entries", "used")

    def __init__(self, cache: SharedCache[V]) -> None:
        self._cache = cache
        self.entries: _Entries = OrderedDict()
        self.used = 0

    def get(self, key: Hashable) -> V | None:
        """Return the value of a key; None if it is missing. Takes no lock."""
        entry = self.entries.get(key)
        if entry is None:
            return None
        entry.is_read = True
        value: V = entry.value
        return value

    def put(self, key: Hashable, value: V, size: int) -> None:
        """Store a value of this size; drop others if there are too many."""
        self._cache._put(self, key, value, size)
