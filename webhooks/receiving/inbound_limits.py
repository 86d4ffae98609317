"""Who may come in now: a source that asks for too much is told to wait before any work is done for it.

Two limits, both per web process. A source's own rate, counted by a clock that runs ahead (GCRA). And the number of
bodies of one source that have been arriving for long: each holds a thread, so a sender that drips, or many large
uploads at once, must not hold them all.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

LONG = 2.0  # seconds after which an arriving body counts
MOST_LONG = 4  # per source and process
BURST = 0.1  # of a minute's requests may come at once
ROUNDING = 1e-6  # seconds: sums of fractions are not exact


class Throttled(Exception):
    """Too much at once. ``seconds`` is how long to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = max(1, math.ceil(seconds))


class InboundLimits:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead: dict[UUID, float] = {}
        self._inside: dict[UUID, list[float]] = {}

    @contextmanager
    def enter(self, source: UUID, rate_per_minute: int | None) -> Iterator[None]:
        """Pass, or raise Throttled."""
        now = time.monotonic()
        with self._lock:
            if sum(now - start > LONG for start in self._inside.get(source, ())) >= MOST_LONG:
                raise Throttled(5)
            if rate_per_minute:
                self._count(source, rate_per_minute, now)
            self._inside.setdefault(source, []).append(now)
        try:
            yield
        finally:
            self._leave(source, now)

    def _count(self, source: UUID, rate_per_minute: int, now: float) -> None:
        step = 60 / rate_per_minute
        ahead = max(self._ahead.get(source, 0.0), now)
        allowed = max(step, 60 * BURST)
        wait = ahead - now + step - allowed
        if wait > ROUNDING:
            raise Throttled(wait)
        self._ahead[source] = ahead + step

    def _leave(self, source: UUID, start: float) -> None:
        with self._lock:
            begun = self._inside[source]
            begun.remove(start)
            if not begun:
                del self._inside[source]


inbound_limits = InboundLimits()
