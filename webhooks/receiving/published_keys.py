"""Fetch and cache the keys that senders publish, for schemes that verify with them.

Each message asks for a key, so a fetched document is used for ``MAX_AGE``. A scheme that misses a key in it asks for
``newer``, which fetches at most once in ``MIN_INTERVAL`` and URL: a flood of tokens with invented key names causes no
flood at the publisher. While the publisher is unreachable, the last document is used up to ``MAX_STALE``.

One thread fetches, the others wait for it. Addresses are guarded and redirects not followed: see ``outgoing``.
"""

import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus

from webhooks.kit.offload import offload
from webhooks.outgoing.guarded_call import CallFailed, ForbiddenAddress, call
from webhooks.wire.errors import KeysUnavailable

MAX_AGE = 600.0  # seconds
MIN_INTERVAL = 30.0  # seconds between two fetches of one URL
MIN_INTERVAL_WITHOUT_KEYS = 5.0  # seconds between two fetches while there is no document
MAX_STALE = 86_400.0  # seconds
TIMEOUT = 5.0  # seconds, while a sender waits
MAX_URLS = 1000  # cached; at more, all are dropped


@dataclass(slots=True)
class _CacheEntry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    document: bytes | None = None
    fetched_at: float = 0.0
    attempted_at: float | None = None
    problem: str = ""

    def is_usable(self, now: float, newer: bool) -> bool:
        """Tell whether no fetch is needed, or none is allowed yet."""
        interval = MIN_INTERVAL_WITHOUT_KEYS if self.document is None else MIN_INTERVAL
        if self.attempted_at is not None and now - self.attempted_at < interval:
            return True
        return self.document is not None and not newer and now - self.fetched_at < MAX_AGE


_cache: dict[str, _CacheEntry] = {}


def fetch_keys(url: str, *, newer: bool = False) -> bytes:
    """Return the document at the URL, at most ``MAX_AGE`` old; with ``newer`` at most ``MIN_INTERVAL``.

    Raises KeysUnavailable.
    """
    entry = _entry(url)
    if entry.lock.locked() or not entry.is_usable(time.monotonic(), newer):
        offload(lambda: _refresh(url, entry, newer))
    if entry.document is None or time.monotonic() - entry.fetched_at > MAX_STALE:
        raise KeysUnavailable(entry.problem)
    return entry.document


def clear_keys() -> None:
    """Empty the cache, so that the next message has its keys fetched."""
    _cache.clear()


def _entry(url: str) -> _CacheEntry:
    if len(_cache) >= MAX_URLS and url not in _cache:
        _cache.clear()
    return _cache.setdefault(url, _CacheEntry())


def _refresh(url: str, entry: _CacheEntry, newer: bool) -> None:
    with entry.lock:
        now = time.monotonic()
        if not entry.is_usable(now, newer):
            entry.attempted_at = now
            _fetch(url, entry, now)


def _fetch(url: str, entry: _CacheEntry, now: float) -> None:
    try:
        response = call("GET", url, headers={"Accept": "application/json, */*"}, timeout=TIMEOUT)
    except (ForbiddenAddress, CallFailed) as error:
        entry.problem = str(error) or str(type(error).__doc__)
        return
    if response.status != HTTPStatus.OK or response.truncated:
        too_long = ", and too long" if response.truncated else ""
        entry.problem = f"the key server responded {response.status}{too_long}"
        return
    entry.document, entry.fetched_at, entry.problem = response.body, now, ""
