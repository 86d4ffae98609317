"""Adapt how many attempts an endpoint gets at once to what it can handle: a concurrency window, as TCP has one.

PURE: the clock is passed in, as unix seconds.

The window grows by one with every success, is halved when the endpoint is overloaded, and shrinks by a fifth when
responses take much longer than the best ones did.
"""

import math
from dataclasses import dataclass

from delivery.transports.outcome import Outcome

INITIAL_WINDOW = 16  # attempts at once to an endpoint nothing is known of
SHRINK_EVERY = 1.0  # seconds between two reductions, so that the responses of one moment count once
OVERLOADED_FACTOR = 0.5  # the window is multiplied by this when the endpoint is overloaded
SLOW_FACTOR = 0.8  # the window is multiplied by this when the endpoint has slowed down
SLOW_RATIO = 3.0  # an endpoint has slowed down if a response takes this many times the best latency
SLOW_DIFFERENCE = 0.5  # and this many seconds more than the best latency
BEST_LATENCY_GROWTH = 1.01  # per second: the best latency grows by this factor, so that a new normal is accepted
BEST_LATENCY_GROWS_FOR = 600.0  # seconds without a better latency after which it grows no further


@dataclass(slots=True)
class ConcurrencyWindow:
    """Allow ``size`` attempts at once, from 1 to ``limit``, the endpoint's own maximum."""

    limit: int
    size: float = INITIAL_WINDOW
    next_shrink_at: float = 0.0
    best_latency: float = math.inf  # seconds
    best_latency_at: float = 0.0

    @property
    def allowed(self) -> int:
        """Attempts that may be in flight at once."""
        return max(1, min(self.limit, int(self.size)))

    def on_attempt_ended(self, outcome: Outcome, now: float) -> None:
        """Grow or shrink by the outcome of an attempt. Failures without overload change nothing."""
        if outcome.overloaded:
            self._shrink(OVERLOADED_FACTOR, now)
        elif outcome.delivered:
            if self._has_slowed_down(outcome.duration_ms / 1000, now):
                self._shrink(SLOW_FACTOR, now)
            else:
                self.size = min(self.size + 1, float(self.limit))

    def reset_to_one(self) -> None:
        """Start again with one attempt at a time, after the breaker has opened."""
        self.size = 1.0

    def _shrink(self, factor: float, now: float) -> None:
        if now >= self.next_shrink_at:
            self.size = max(1.0, min(self.size, self.limit) * factor)
            self.next_shrink_at = now + SHRINK_EVERY

    def _has_slowed_down(self, seconds: float, now: float) -> bool:
        best = self.best_latency
        if best < math.inf:
            best *= BEST_LATENCY_GROWTH ** min(now - self.best_latency_at, BEST_LATENCY_GROWS_FOR)
        if seconds < best:
            self.best_latency, self.best_latency_at = seconds, now
            return False
        return seconds > best * SLOW_RATIO and seconds > best + SLOW_DIFFERENCE
