"""Enforce a rate limit by the generic cell rate algorithm (GCRA): a token bucket whose whole state is one number.

PURE: the clock is passed in, in seconds; no function raises. To keep a limit across processes, store ``next_slot``. If
a process ended without storing it, call ``spend_all``, since the tokens that were spent are unknown.

Used for the attempts to an endpoint (``delivery.lanes.lane``, stored in the lane's row) and for the requests of a
source (``webhooks.receiving.inbound_limits``, one per process). The limit on publishing is shared by all processes and
is therefore computed in Valkey (``delivery.publishing.publish_rate``).
"""

import math
from dataclasses import dataclass

DEFAULT_BURST_SECONDS = 0.1  # where no burst is set, as many calls may come at once as the rate allows in this time


@dataclass(slots=True)
class RateLimit:
    """Allow ``per_second`` calls a second on average (None: no limit), of which ``burst`` may come at once.

    ``max_burst`` sets the burst; None: the calls of DEFAULT_BURST_SECONDS, at least one. ``next_slot``: the time at
    which all tokens are available again (GCRA calls it the theoretical arrival time). Each token that is spent moves it
    1 / per_second into the future, counted from now if it is in the past.
    """

    per_second: float | None
    next_slot: float = 0.0
    max_burst: float | None = None

    @property
    def burst(self) -> float:
        """Return how many calls may come at once when all tokens are available."""
        if self.max_burst is not None:
            return float(self.max_burst)
        return max(1.0, (self.per_second or 0) * DEFAULT_BURST_SECONDS)

    def tokens(self, now: float) -> float:
        """Return how many calls may come now, so that any t seconds see at most burst + t * per_second calls."""
        if self.per_second is None:
            return math.inf
        ahead = max(self.next_slot - now, 0.0)
        rounding_error = 1e-9
        return max(0, math.floor(self.burst - ahead * self.per_second + rounding_error))

    def spend(self, count: int, now: float) -> None:
        """Spend ``count`` tokens; more than are available may be spent, which delays later calls."""
        if self.per_second is not None:
            self.next_slot = max(self.next_slot, now) + count / self.per_second

    def spend_all(self, now: float) -> None:
        """Spend all tokens: the safe assumption when it is unknown how many were spent."""
        if self.per_second is not None:
            self.next_slot = now + self.burst / self.per_second

    def change(self, per_second: float | None, max_burst: float | None, now: float) -> None:
        """Replace the limit from ``now`` on.

        No more than all tokens count as spent under the new limit: a later ``next_slot`` was set under a lower limit or
        by a clock that was ahead, and would delay calls that the new limit allows.
        """
        self.per_second, self.max_burst = per_second, max_burst
        if per_second is not None:
            self.next_slot = min(self.next_slot, now + self.burst / per_second)

    def ready_at(self, now: float) -> float:
        """Return the time at which the next call may come; ``now`` if one may come now."""
        if self.per_second is None or self.tokens(now) > 0:
            return now
        return self.next_slot - (self.burst - 1) / self.per_second
