"""Limit the attempts in flight to an endpoint by a concurrency window that adapts to the endpoint's responses.

PURE: the clock is passed in, as unix seconds.

Like the congestion window of TCP, it grows with every success, up to twice of what was in use at once, and is halved
when the endpoint is overloaded. It also shrinks by a fifth when responses become much slower than the fastest
ones were; an endpoint that was always slow is healthy. By Little's law it needs as many attempts in flight as its rate
times its response time. A window that doubles once in every response time would reach that too late, so it grows by
one more for each second that a response takes.
"""

import math
from dataclasses import dataclass

from delivery.transports.outcome import Outcome

INITIAL_WINDOW = 64  # attempts in flight to an endpoint before its first response
MIN_SHRINK_INTERVAL = 1.0  # seconds between two reductions: many slow responses at the same time cause only one
OVERLOADED_FACTOR = 0.5  # the window is multiplied by this when the endpoint is overloaded
SLOW_FACTOR = 0.8  # the window is multiplied by this when the endpoint has slowed down
SLOW_RATIO = 3.0  # a response is slow only if it takes more than this many times the best latency
SLOW_DIFFERENCE = 0.5  # seconds: a response is slow only if it takes more than this much longer than the best latency
SENT_WITHIN = 0.05  # seconds in which what waits is to be sent; with fewer attempts at once it takes longer
SHORTEST_LATENCY = 0.001  # seconds: latencies are measured in whole milliseconds
BEST_LATENCY_GROWTH = 1.01  # factor per second: the best latency grows by it, so that a lasting slowdown is accepted
BEST_LATENCY_GROWS_FOR = 600.0  # seconds after its measurement for which the best latency grows


@dataclass(slots=True)
class ConcurrencyWindow:
    """Allow ``size`` attempts in flight to one endpoint, from 1 to ``limit``, which is a setting of the endpoint."""

    limit: int
    size: float = INITIAL_WINDOW
    next_shrink_at: float = 0.0
    most_used: int = 0  # attempts that were in flight at once
    best_latency: float = math.inf  # seconds
    best_latency_at: float = 0.0

    @property
    def allowed(self) -> int:
        """Return how many attempts may be in flight."""
        return max(1, min(self.limit, int(self.size)))

    def on_started(self, in_flight: int) -> None:
        """Record how many attempts are in flight."""
        self.most_used = max(self.most_used, in_flight)

    def on_attempt_ended(self, outcome: Outcome, now: float) -> None:
        """Grow or shrink the window by the outcome of an attempt. Failures without overload change nothing.

        A response that rejects the delivery counts as a success here: the endpoint has handled the request in time.
        """
        if outcome.overloaded:
            self._shrink(OVERLOADED_FACTOR, now)
        elif outcome.is_alive:
            if self._has_slowed_down(outcome.duration_ms / 1000, now):
                self._shrink(SLOW_FACTOR, now)
            else:
                self._grow(outcome.duration_ms // 1000)

    def useful(self, waiting: int, unanswered_for: float = 0.0, *, within: float = SENT_WITHIN) -> int:
        """Return how many attempts at once it takes to send ``waiting`` deliveries in ``within`` seconds.

        ``unanswered_for``: seconds for which an attempt has been in flight without a start or an end of another.
        Before the first response that is the least that a response takes.
        """
        latency = self.best_latency if self.best_latency < math.inf else unanswered_for
        return math.ceil(waiting * max(latency, SHORTEST_LATENCY) / within)

    def reset_to_one(self) -> None:
        """Reduce the window to one attempt in flight; when the breaker opens, or the endpoint asks for a pause."""
        self.size = 1.0

    def _grow(self, seconds: int) -> None:
        useful = self.most_used * (2 + seconds)
        self.size = max(self.size, min(self.size + 1 + seconds, useful, self.limit))

    def _shrink(self, factor: float, now: float) -> None:
        if now >= self.next_shrink_at:
            self.size = max(1.0, min(self.size, self.limit) * factor)
            self.next_shrink_at = now + MIN_SHRINK_INTERVAL

    def _has_slowed_down(self, seconds: float, now: float) -> bool:
        """Return whether a latency in seconds is much higher than the best latency; a lower one becomes the best."""
        best = self.best_latency
        if best < math.inf:
            best *= BEST_LATENCY_GROWTH ** min(now - self.best_latency_at, BEST_LATENCY_GROWS_FOR)
        if seconds < best:
            self.best_latency, self.best_latency_at = seconds, now
            return False
        return seconds > best * SLOW_RATIO and seconds > best + SLOW_DIFFERENCE
