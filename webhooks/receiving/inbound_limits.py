"""Enforce the limits on the requests of each source, tenant and client address in one web process.

    rate       the source's rate of requests (``webhooks.kit.rate_limit``): beyond it 429
    bodies     how many arrive at once: each source, tenant and address has a share; beyond it 429
    spool      bytes of large bodies that are on disk and not accepted yet: each tenant and address has a share;
               beyond it 503
    memory     bytes of large bodies that a scheme keeps in memory until they are verified: shared as the spool is;
               beyond it 503

Shares are those of ``webhooks.kit.fair.shares``: no client can use up what the next one needs. Every client that knows
the address of a source can send bodies to it slowly. So where the share of a source or tenant is full, the oldest body
of the source is evicted if it is slow, and the new one admitted. An address with too many bodies is refused.

In a thread of a plain WSGI server a slow body occupies the thread. There a source may have ``max_slow`` slow ones.
"""

import math
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self
from uuid import UUID

from webhooks.kit.caches.bounded_cache import BoundedCache
from webhooks.kit.fair.shares import Shares
from webhooks.kit.rate_limit import RateLimit
from webhooks.sources.snapshot import SourceSnapshot

SLOW_AFTER = 2.0  # seconds after which an arriving body counts as slow
SLOW_RETRY_AFTER = 5  # seconds
BURST = 0.1  # share of a minute's requests that may come at once
MAX_RATES = 10_000  # sources whose rate a process remembers
MAX_ARRIVING = 4096  # bodies at once, of which a source or tenant may have as many as are free
MAX_ARRIVING_PER_ADDRESS = 512  # bodies at once
MAX_SPOOLED = 16 * 1024**3  # bytes, of which a tenant or address may have as many as are free: at most half
MAX_IN_MEMORY = 256 * 1024**2  # bytes, as above; verifying a body takes a few times as much, on a few threads


class Throttled(Exception):
    """A limit is reached; ``seconds`` is the Retry-After."""

    def __init__(self, seconds: float, status: HTTPStatus = HTTPStatus.TOO_MANY_REQUESTS) -> None:
        super().__init__(seconds)
        self.seconds = max(1, math.ceil(seconds))
        self.status = status


@dataclass(eq=False, slots=True)
class Arrival:
    """A body that is arriving, and what it uses of the limits."""

    limits: "InboundLimits"
    source: UUID
    owner: Hashable
    address: Hashable
    started: float
    is_evicted: bool = False
    spooled: int = 0
    kept: int = 0

    def spool(self, size: int) -> None:
        """Note that this many more bytes go to disk. Raises Throttled."""
        self.limits.spool(self, size)

    def keep(self, size: int) -> None:
        """Note that this many more bytes are kept in memory. Raises Throttled."""
        self.limits.keep(self, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.limits.release(self)


class _Bytes:
    """Bytes of large bodies, of which tenants and addresses have shares."""

    def __init__(self, where: str, most: int) -> None:
        self._of_owner = Shares(f"bytes of a tenant {where}", most)
        self._of_address = Shares(f"bytes of an address {where}", most)

    def take(self, arrival: Arrival, size: int) -> None:
        """Take a part of the shares of a body. Raises Throttled."""
        if not self._of_owner.take(arrival.owner, size):
            raise Throttled(SLOW_RETRY_AFTER, HTTPStatus.SERVICE_UNAVAILABLE)
        if not self._of_address.take(arrival.address, size):
            self._of_owner.release(arrival.owner, size)
            raise Throttled(SLOW_RETRY_AFTER, HTTPStatus.SERVICE_UNAVAILABLE)

    def release(self, arrival: Arrival, size: int) -> None:
        """Give back what a body has taken."""
        if size:
            self._of_owner.release(arrival.owner, size)
            self._of_address.release(arrival.address, size)


class InboundLimits:
    """The limits of all sources in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rates = BoundedCache[RateLimit](MAX_RATES)
        self._arriving: dict[UUID, dict[Arrival, None]] = {}  # by source, oldest first
        self._of_source = Shares("bodies of a source", MAX_ARRIVING)
        self._of_tenant = Shares("bodies of a tenant", MAX_ARRIVING)
        self._of_address = Shares("bodies of an address", MAX_ARRIVING, most=MAX_ARRIVING_PER_ADDRESS)
        self._spooled = _Bytes("on disk", MAX_SPOOLED)
        self._kept = _Bytes("in memory", MAX_IN_MEMORY)

    def admit(self, source: SourceSnapshot, address: Hashable, *, max_slow: int | None = None) -> Arrival:
        """Admit a request for as long as its body arrives: until its context ends. Raises Throttled."""
        now = time.monotonic()
        arrival = Arrival(self, source.id, source.owner, address, now)
        with self._lock:
            self._check_slow(source.id, max_slow, now)
            if source.rate_per_minute:
                self._count(source.id, source.rate_per_minute, now)
            self._take_places(arrival)
            self._arriving.setdefault(source.id, {})[arrival] = None
        return arrival

    def release(self, arrival: Arrival) -> None:
        """Free what a body uses."""
        with self._lock:
            self._remove(arrival)
        self._spooled.release(arrival, arrival.spooled)
        self._kept.release(arrival, arrival.kept)

    def spool(self, arrival: Arrival, size: int) -> None:
        """Note that this many more bytes of a body go to disk. Raises Throttled."""
        self._spooled.take(arrival, size)
        arrival.spooled += size

    def keep(self, arrival: Arrival, size: int) -> None:
        """Note that this many more bytes of a body are kept in memory. Raises Throttled."""
        self._kept.take(arrival, size)
        arrival.kept += size

    def _check_slow(self, source: UUID, max_slow: int | None, now: float) -> None:
        if max_slow is None:
            return
        if sum(now - arrival.started > SLOW_AFTER for arrival in self._arriving.get(source, ())) >= max_slow:
            raise Throttled(SLOW_RETRY_AFTER)

    def _count(self, source: UUID, rate_per_minute: int, now: float) -> None:
        limit = self._rates.get(source)
        if limit is None:
            limit = RateLimit(None)
            self._rates.put(source, limit)
        limit.change(rate_per_minute / 60, max(1.0, rate_per_minute * BURST), now)
        if limit.tokens(now) < 1:
            raise Throttled(limit.ready_at(now) - now)
        limit.spend(1, now)

    def _take_places(self, arrival: Arrival) -> None:
        """Take a place of the address, the source and the tenant."""
        if not self._of_address.take(arrival.address):
            raise Throttled(SLOW_RETRY_AFTER)
        if not (self._of_source.take(arrival.source) or self._evict(arrival, self._of_source, arrival.source)):
            self._of_address.release(arrival.address)
            raise Throttled(SLOW_RETRY_AFTER)
        if not (self._of_tenant.take(arrival.owner) or self._evict(arrival, self._of_tenant, arrival.owner)):
            self._of_address.release(arrival.address)
            self._of_source.release(arrival.source)
            raise Throttled(SLOW_RETRY_AFTER)

    def _evict(self, arrival: Arrival, places: Shares, key: Hashable) -> bool:
        """Take a place after the oldest body of this source was evicted; return False if none is slow."""
        oldest = next(iter(self._arriving.get(arrival.source, ())), None)
        if oldest is None or arrival.started - oldest.started <= SLOW_AFTER:
            return False
        oldest.is_evicted = True
        self._remove(oldest)
        return places.take(key)

    def _remove(self, arrival: Arrival) -> None:
        """Free the places of a body, unless it was evicted before."""
        arriving = self._arriving.get(arrival.source, {})
        if arrival not in arriving:
            return
        del arriving[arrival]
        if not arriving:
            del self._arriving[arrival.source]
        self._of_address.release(arrival.address)
        self._of_source.release(arrival.source)
        self._of_tenant.release(arrival.owner)


inbound_limits = InboundLimits()
