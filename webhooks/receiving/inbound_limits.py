"""Enforce the rate limit of each source in one web process, before any work is done for a request.

Two limits: the source's rate (``webhooks.kit.rate_limit``); and the number of bodies that have been
arriving for long, because each occupies a thread and slow uploads must not occupy all.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from webhooks.kit.rate_limit import RateLimit

SLOW_AFTER = 2.0  # seconds after which an arriving body counts as slow
MAX_SLOW = 4  # slow bodies per source and process
SLOW_RETRY_AFTER = 5  # seconds
BURST = 0.1  # share of a minute's requests that may come at once


class Throttled(Exception):
    """A limit is reached; ``seconds`` is the Retry-After."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = max(1, math.ceil(seconds))


class InboundLimits:
    """The limits of all sources in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rates: dict[UUID, RateLimit] = {}
        self._arriving: dict[UUID, list[float]] = {}

    @contextmanager
    def admit(self, source: UUID, rate_per_minute: int | None) -> Iterator[None]:
        """Admit a request for as long as the context lasts. Raises Throttled."""
        now = time.monotonic()
        with self._lock:
            if sum(now - start > SLOW_AFTER for start in self._arriving.get(source, ())) >= MAX_SLOW:
                raise Throttled(SLOW_RETRY_AFTER)
            if rate_per_minute:
                self._count(source, rate_per_minute, now)
            self._arriving.setdefault(source, []).append(now)
        try:
            yield
        finally:
            self._release(source, now)

    def _count(self, source: UUID, rate_per_minute: int, now: float) -> None:
        limit = self._rates.setdefault(source, RateLimit(None))
        limit.change(rate_per_minute / 60, max(1.0, rate_per_minute * BURST), now)
        if limit.tokens(now) < 1:
            raise Throttled(limit.ready_at(now) - now)
        limit.spend(1, now)

    def _release(self, source: UUID, start: float) -> None:
        with self._lock:
            arriving = self._arriving[source]
            arriving.remove(start)
            if not arriving:
                del self._arriving[source]


inbound_limits = InboundLimits()
