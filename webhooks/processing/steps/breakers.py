"""Interrupt the calls of the enrichments of a source while they fail: a circuit breaker, in each process.

After ``MAX_FAILURES`` failures in a row no call is made for a time that doubles; then one call probes. Responses that
reject the request (4xx) are no failures of the other side.
"""

import time
from dataclasses import dataclass
from uuid import UUID

from webhooks.kit.caches.bounded_cache import BoundedCache

MAX_FAILURES = 5  # in a row; then the breaker opens
FIRST_PAUSE = 5.0  # seconds
MAX_PAUSE = 300.0  # seconds
MAX_REMEMBERED = 10_000  # sources per process


@dataclass(slots=True)
class Breaker:
    """The breaker of the enrichments of a source in this process; ``failures``: in a row."""

    failures: int = 0
    open_until: float = 0.0  # monotonic seconds
    in_progress: int = 0  # calls

    def wait(self) -> float:
        """Return how many seconds no call may be made; 0 if one may be made now."""
        if self.failures < MAX_FAILURES:
            return 0.0
        if self.in_progress:  # the probe
            return FIRST_PAUSE
        return max(0.0, self.open_until - time.monotonic())

    def begin(self) -> None:
        """Count a call that begins."""
        self.in_progress += 1

    def end(self, *, has_failed: bool) -> None:
        """Count a call that has ended."""
        self.in_progress -= 1
        self.failures = self.failures + 1 if has_failed else 0
        if self.failures >= MAX_FAILURES:
            doublings = min(self.failures - MAX_FAILURES, 10)
            self.open_until = time.monotonic() + min(FIRST_PAUSE * 2**doublings, MAX_PAUSE)


_breakers = BoundedCache[Breaker](MAX_REMEMBERED)


def breaker_of(source_id: UUID) -> Breaker:
    """Return the breaker of the enrichments of a source."""
    found = _breakers.get(source_id)
    if found is None:
        found = Breaker()
        _breakers.put(source_id, found)
    return found


def clear_breakers() -> None:
    """Close all breakers of this process."""
    _breakers.clear()
