"""Enforce a rate limit by the generic cell rate algorithm (GCRA): a token bucket kept as one number.

PURE: the clock is passed in, in seconds, and nothing can fail. A limit that outlives its process is a stored
``next_slot``; where it is unknown what was spent, ``spend_all`` is the safe assumption.

Used for the attempts to an endpoint (``delivery.sending.lane``, stored in the lane's row) and for the requests of a
source (``webhooks.receiving.inbound_limits``, one per process). The limit on publishing is shared by all processes and
therefore computed in Valkey (``delivery.publishing.publish_rate``).
"""

import math
from dataclasses import dataclass

DEFAULT_BURST = 0.1  # seconds of the rate that may be taken at once where no burst is set


@dataclass(slots=True)
class RateLimit:
    """Allow ``per_second`` calls (None: no limit), up to ``max_burst`` at once (None: DEFAULT_BURST seconds' worth).

    ``next_slot`` is when the next call would come if all so far had been evenly spaced; up to ``burst`` calls may
    come ahead of it.
    """

    per_second: float | None
    next_slot: float = 0.0
    max_burst: float | None = None

    @property
    def burst(self) -> float:
        """Return the calls that may come at once after a quiet time."""
        return max(1.0, (self.per_second or 0) * DEFAULT_BURST) if self.max_burst is None else float(self.max_burst)

    def tokens(self, now: float) -> float:
        """Return the calls that may come now: over any time t at most burst + t * per_second altogether."""
        if self.per_second is None:
            return math.inf
        ahead = max(self.next_slot - now, 0.0)
        return max(0, math.floor(self.burst - ahead * self.per_second + 1e-9))

    def spend(self, count: int, now: float) -> None:
        """Take ``count`` tokens."""
        if self.per_second is not None:
            self.next_slot = max(self.next_slot, now) + count / self.per_second

    def spend_all(self, now: float) -> None:
        """Take all tokens: the safe assumption where it is unknown how many were spent."""
        if self.per_second is not None:
            self.next_slot = now + self.burst / self.per_second

    def change(self, per_second: float | None, max_burst: float | None, now: float) -> None:
        """Apply another limit from now on.

        The next slot is moved back to where it would be with all tokens spent, if it is later than that: it may have
        been set under a lower limit or by a clock that was ahead.
        """
        self.per_second, self.max_burst = per_second, max_burst
        if per_second is not None:
            self.next_slot = min(self.next_slot, now + self.burst / per_second)

    def ready_at(self, now: float) -> float:
        """Return when the next token is available."""
        if self.per_second is None or self.tokens(now) > 0:
            return now
        return self.next_slot - (self.burst - 1) / self.per_second
