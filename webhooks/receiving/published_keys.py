"""Fetch and cache the keys that senders publish, for schemes that verify with them.

Each message asks for a key, so a fetched document is used for ``MAX_AGE``. A scheme that misses a key in it asks for
``newer``, which fetches at most once in ``MIN_INTERVAL`` and URL: a flood of tokens with invented key names causes no
flood at the publisher. While the publisher is unreachable, the last document is used up to ``MAX_STALE``.

Documents are futures, so that no thread waits for a publisher. Each share (a tenant) has documents, fetches and places
of its own; callers of one share wait for the same fetch. Addresses are guarded and redirects not followed: see
``outgoing``.
"""

import time
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from threading import Lock

from webhooks.kit.caches.partitioned_cache import PartitionedCache
from webhooks.outgoing.call_messages import CallResponse
from webhooks.outgoing.errors import CallFailed, LimitReached
from webhooks.outgoing.guarded_call import start_call
from webhooks.schemes.scheme import FetchKeys, fetch_unavailable
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.addresses.parsed_url import ForbiddenAddress
from webhooks.wire.errors import KeysUnavailable

MAX_AGE = 600.0  # seconds
MIN_INTERVAL = 30.0  # seconds between two fetches of one URL
MIN_INTERVAL_WITHOUT_KEYS = 5.0  # seconds between two fetches while there is no document
MAX_STALE = 86_400.0  # seconds
TIMEOUT = 5.0  # seconds, while a sender waits
MAX_DOCUMENTS = 1000  # cached per process; see PartitionedCache


@dataclass(slots=True)
class _CacheEntry:
    """The document of one URL, and the callers that wait while it is fetched."""

    document: bytes | None = None
    fetched_at: float = 0.0
    attempted_at: float | None = None
    problem: str = ""
    is_fetching: bool = False
    waiting: "list[Future[bytes]]" = field(default_factory=list)

    def is_usable(self, now: float, newer: bool) -> bool:
        """Return whether no fetch is needed, or none is allowed yet."""
        interval = MIN_INTERVAL_WITHOUT_KEYS if self.document is None else MIN_INTERVAL
        if self.attempted_at is not None and now - self.attempted_at < interval:
            return True
        return self.document is not None and not newer and now - self.fetched_at < MAX_AGE


_cache: PartitionedCache[_CacheEntry] = PartitionedCache(MAX_DOCUMENTS)
_lock = Lock()  # of all entries; held for moments only


class KeysNeeded(Exception):
    """A step of the verification needs keys that are being fetched; it is to be run again when ``fetch`` is done."""

    def __init__(self, fetch: "Future[bytes]") -> None:
        super().__init__()
        self.fetch = fetch


def key_fetcher(source: SourceSnapshot) -> FetchKeys:
    """Return the function that fetches published keys; for a deleted source, whose owner may be gone, none are."""
    return partial(_fetched_keys, source.owner) if source.deleted_at is None else fetch_unavailable


def _fetched_keys(owner: Hashable, url: str, *, newer: bool = False) -> bytes:
    """Return published keys from the cache. Raises KeysUnavailable, and KeysNeeded while they are fetched."""
    fetch = start_fetch(url, share=owner, newer=newer)
    if not fetch.done():
        raise KeysNeeded(fetch)
    return fetch.result()


def start_fetch(url: str, *, share: Hashable, newer: bool = False) -> "Future[bytes]":
    """Return the future document at the URL, at most ``MAX_AGE`` old; with ``newer`` at most ``MIN_INTERVAL``.

    The future raises KeysUnavailable.
    """
    result: Future[bytes] = Future()
    result.set_running_or_notify_cancel()  # a caller that gives up must not cancel the fetch for others
    now = time.monotonic()
    with _lock:
        entry = _entry(url, share)
        is_waiting = entry.is_fetching or not entry.is_usable(now, newer)
        starts = is_waiting and not entry.is_fetching
        if is_waiting:
            entry.waiting.append(result)
        if starts:
            entry.is_fetching, entry.attempted_at = True, now
    if not is_waiting:
        _settle(result, entry)
    if starts:
        call = start_call("GET", url, share=share, headers={"Accept": "application/json, */*"}, timeout=TIMEOUT)
        call.add_done_callback(lambda done: _finish(entry, done))
    return result


def clear_keys() -> None:
    """Empty the cache, so that the next message has its keys fetched."""
    _cache.clear()


def _entry(url: str, share: Hashable) -> _CacheEntry:
    entry = _cache.get(share, url)
    if entry is None:
        entry = _CacheEntry()
        _cache.put(share, url, entry)
    return entry


def _finish(entry: _CacheEntry, call: "Future[CallResponse]") -> None:
    document, problem = _read(call)
    with _lock:
        if document is not None:
            entry.document, entry.fetched_at = document, time.monotonic()
        if isinstance(call.exception(), LimitReached):  # nothing was sent
            entry.attempted_at = None
        entry.problem, entry.is_fetching = problem, False
        waiting, entry.waiting = entry.waiting, []
    for result in waiting:
        _settle(result, entry)


def _read(call: "Future[CallResponse]") -> tuple[bytes | None, str]:
    """Return the document, or None and what went wrong."""
    try:
        response = call.result()
    except (ForbiddenAddress, CallFailed, LimitReached) as error:
        return None, str(error) or str(type(error).__doc__)
    except Exception as error:  # the callers' futures have to end, whatever happens
        return None, type(error).__name__
    if response.status != HTTPStatus.OK or response.truncated:
        too_long = ", and too long" if response.truncated else ""
        return None, f"the key server responded {response.status}{too_long}"
    return response.body, ""


def _settle(result: "Future[bytes]", entry: _CacheEntry) -> None:
    if entry.document is None or time.monotonic() - entry.fetched_at > MAX_STALE:
        result.set_exception(KeysUnavailable(entry.problem))
    else:
        result.set_result(entry.document)
