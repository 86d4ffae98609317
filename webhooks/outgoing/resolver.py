"""Resolve host names without a thread for each, with a share of the lookups and of the cache for each tenant.

`getaddrinfo` of the C library occupies a thread until it returns, so names that hang use up any pool of threads.
c-ares sends all queries from one thread (`pycares`). It reads resolv.conf and the hosts file, follows CNAMEs, repeats a
truncated answer over TCP, and sorts addresses (RFC 6724). What it lacks is here: limits per tenant, and a cache that
one tenant cannot flush for another.

A share is a tenant. It has WAYPOST_LOOKUPS_PER_TENANT lookups in flight; some more wait; beyond that TooManyLookups is
raised. A place stays in use until c-ares has ended the lookup, which may be later than the caller's time limit. Equal
names of one share are looked up once. Shares do not wait for each other, and do not see what others look up.

The state belongs to the event loop's thread; callbacks of c-ares only pass their result to it, because they run while
c-ares holds a lock. Addresses are checked by the callers: see `webhooks.wire.addresses.guard`.
"""

import time
from collections import deque
from collections.abc import Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from ipaddress import ip_address
from socket import SOCK_STREAM
from typing import Any

import pycares
from django.conf import settings

from webhooks.kit.caches.partitioned_cache import PartitionedCache
from webhooks.kit.process.per_process import PerProcess
from webhooks.outgoing.errors import TooManyLookups
from webhooks.outgoing.event_loop import event_loop

QUEUED_PER_PLACE = 4  # further lookups of one tenant that wait, for each that may be in flight
LOOKUP_SECONDS = 5.0  # for a caller, including the time in the queue
QUERY_SECONDS = 1.5  # for the first try at one name server; c-ares doubles it for the second
QUERY_TRIES = 2  # per name server
MIN_TTL = 5.0  # seconds a result is used at least, also entries of the hosts file, which have no TTL
MAX_TTL = 300.0  # seconds a result is used at most
FAILURE_TTL = 5.0  # seconds that a failed lookup is not repeated
MAX_CACHED = 20_000  # results per process
RELOAD_AFTER = 10_000  # lookups, after which c-ares's own cache, which has no limit, is emptied


class NotResolved(OSError):
    """The name has no address, or the name servers did not respond with one."""


class LookupTimeout(NotResolved):
    """The name servers did not respond in time."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The addresses of a name, each once, in the order in which to try them; valid until `expires_at`, monotonic."""

    addresses: tuple[str, ...]
    expires_at: float


@dataclass(frozen=True, slots=True)
class _Failure:
    """A name without addresses; the same error is raised until `expires_at`, monotonic."""

    error: type[NotResolved]
    text: str
    expires_at: float


@dataclass(slots=True)
class _Lookup:
    host: str
    share: Hashable
    waiters: "list[Future[Resolution]]" = field(default_factory=list)


@dataclass(slots=True)
class _Lookups:
    """The lookups of one tenant: all of them by name, and those that wait."""

    by_name: dict[str, _Lookup] = field(default_factory=dict)
    queue: deque[_Lookup] = field(default_factory=deque)

    @property
    def in_flight(self) -> int:
        return len(self.by_name) - len(self.queue)


class Resolver:
    """Look up names at `servers` ("address" or "address:port"), or at those of resolv.conf if there are none."""

    def __init__(self, servers: Sequence[str] = ()) -> None:
        self._loop = event_loop()
        self._channel = pycares.Channel(servers=servers or None, timeout=QUERY_SECONDS, tries=QUERY_TRIES)
        self._cache: PartitionedCache[Resolution | _Failure] = PartitionedCache(MAX_CACHED)
        self._shares: dict[Hashable, _Lookups] = {}
        self._started = 0

    def resolve(self, host: str, share: Hashable) -> "Future[Resolution]":
        """Return the future addresses of a name or literal address, looked up on behalf of `share`.

        The future ends within LOOKUP_SECONDS. It raises NotResolved, LookupTimeout or TooManyLookups.
        """
        waiter: Future[Resolution] = Future()
        waiter.set_running_or_notify_cancel()  # others may wait for the same lookup
        known = _literal(host) or self._cached(host, share)
        if known is None:
            self._loop.call_soon_threadsafe(self._ask, host, share, waiter)
        else:
            _settle(waiter, known)
        return waiter

    def close(self) -> None:
        """End the lookups in flight as failed."""
        self._channel.close()

    def _cached(self, host: str, share: Hashable) -> Resolution | _Failure | None:
        result = self._cache.get(share, host)
        return result if result is not None and time.monotonic() < result.expires_at else None

    # The methods below run in the event loop.

    def _ask(self, host: str, share: Hashable, waiter: "Future[Resolution]") -> None:
        known = self._cached(host, share)
        if known is not None:
            _settle(waiter, known)
            return
        own = self._shares.setdefault(share, _Lookups())
        lookup = own.by_name.get(host)
        if lookup is None:
            if len(own.by_name) >= max_lookups():
                waiter.set_exception(too_many_lookups())
                return
            lookup = own.by_name[host] = _Lookup(host, share)
            own.queue.append(lookup)
        lookup.waiters.append(waiter)
        self._loop.call_later(LOOKUP_SECONDS, _time_out, waiter)
        self._start_queued(share)

    def _start_queued(self, share: Hashable) -> None:
        own = self._shares[share]
        while own.queue and own.in_flight < settings.WAYPOST_LOOKUPS_PER_TENANT:
            lookup = own.queue.popleft()
            if all(waiter.done() for waiter in lookup.waiters):  # timed out in the queue
                del own.by_name[lookup.host]
            else:
                self._start(lookup)
        if not own.by_name:
            del self._shares[share]

    def _start(self, lookup: _Lookup) -> None:
        self._started += 1
        if self._started % RELOAD_AFTER == 0:
            self._channel.reinit()

        def on_result(result: Any, error: int | None) -> None:
            self._loop.call_soon_threadsafe(self._finish, lookup, _read(result, error))

        try:
            self._channel.getaddrinfo(lookup.host, None, type=SOCK_STREAM, callback=on_result)
        except (ValueError, RuntimeError) as error:  # not a host name; or the resolver is closed
            self._loop.call_soon(self._finish, lookup, _failure(NotResolved, str(error)))

    def _finish(self, lookup: _Lookup, result: Resolution | _Failure) -> None:
        del self._shares[lookup.share].by_name[lookup.host]
        self._cache.put(lookup.share, lookup.host, result)
        for waiter in lookup.waiters:
            _settle(waiter, result)
        self._start_queued(lookup.share)


def _literal(host: str) -> Resolution | None:
    try:
        return Resolution((str(ip_address(host)),), float("inf"))
    except ValueError:
        return None


def _read(result: Any, error: int | None) -> Resolution | _Failure:
    """Read what c-ares calls back with."""
    if error is not None:
        kind = LookupTimeout if error == pycares.errno.ARES_ETIMEOUT else NotResolved
        return _failure(kind, str(pycares.errno.strerror(error)))
    addresses = tuple(dict.fromkeys(node.addr[0].decode() for node in result.nodes))
    if not addresses:
        return _failure(NotResolved, "The name has no address.")
    ttl = min(record.ttl for record in (*result.nodes, *result.cnames))
    return Resolution(addresses, time.monotonic() + min(max(ttl, MIN_TTL), MAX_TTL))


def too_many_lookups() -> TooManyLookups:
    """Return the error of a tenant without a free place."""
    text = f"At most {max_lookups()} host names of a tenant are looked up at once; wait for earlier ones."
    return TooManyLookups("WAYPOST_LOOKUPS_PER_TENANT", text)


def _failure(kind: type[NotResolved], text: str) -> _Failure:
    return _Failure(kind, text, time.monotonic() + FAILURE_TTL)


def _settle(waiter: "Future[Resolution]", result: Resolution | _Failure) -> None:
    if waiter.done():  # timed out
        return
    if isinstance(result, Resolution):
        waiter.set_result(result)
    else:
        waiter.set_exception(result.error(result.text))


def _time_out(waiter: "Future[Resolution]") -> None:
    if not waiter.done():
        waiter.set_exception(LookupTimeout())


def max_lookups() -> int:
    """Return how many lookups a tenant may have in progress, in flight and queued."""
    return int(settings.WAYPOST_LOOKUPS_PER_TENANT) * (1 + QUEUED_PER_PLACE)


resolver = PerProcess(lambda: Resolver(settings.WAYPOST_NAME_SERVERS))


def resolve(host: str, share: Hashable) -> "Future[Resolution]":
    """Return the future addresses of a name, from the resolver of this process: see `Resolver.resolve`."""
    return resolver().resolve(host, share)
