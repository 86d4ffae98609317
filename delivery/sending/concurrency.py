"""How fast an endpoint may be sent to: by the rate its owner set, and by what it can take at the moment.

PURE: the clock is passed in, as unix seconds.

``Rate`` is exact (GCRA): ``slot`` is when the next attempt may go if all so far had kept their distance, and up to
``burst`` of them may run ahead of it. ``Window`` adapts, as TCP does: the attempts that may be under way at once
grow with every success and are halved when the endpoint says that it is too much (429, 503, a timeout), or
shrink when it answers much more slowly than it can.
"""

import math
from dataclasses import dataclass

from delivery.transports.outcome import Failure, Outcome

__all__ = ["Rate", "Window"]

BURST = 0.1  # seconds of the rate that may go at once
WINDOW = 16  # attempts under way at once to an endpoint nothing is known of
CALM = 1.0  # seconds between two reductions: the answers of one moment count once
SLOWER = 3.0  # times the best latency, and
NOTICEABLE = 0.5  # seconds more than it: then the endpoint has slowed down
FORGETTING = 1.01  # a second: what counts as best latency gives way, so that a new norm is accepted
OVERWHELMED = frozenset({429, 503})


@dataclass(slots=True)
class Rate:
    """``per_second`` attempts, or None: no limit; ``most_at_once`` None: as many as BURST seconds have."""

    per_second: float | None
    slot: float = 0.0
    most_at_once: int | None = None

    @property
    def burst(self) -> float:
        return max(1.0, (self.per_second or 0) * BURST) if self.most_at_once is None else float(self.most_at_once)

    def tokens(self, now: float) -> float:
        """Attempts that may start now. Over any time t that is at most burst + t * per_second altogether."""
        if self.per_second is None:
            return math.inf
        ahead = max(self.slot - now, 0.0)
        return max(0, math.floor(self.burst - ahead * self.per_second + 1e-9))

    def spend(self, count: int, now: float) -> None:
        if self.per_second is not None:
            self.slot = max(self.slot, now) + count / self.per_second

    def spend_all(self, now: float) -> None:
        """Nobody knows what has been spent: then everything."""
        if self.per_second is not None:
            self.slot = now + self.burst / self.per_second

    def hold(self, per_second: float | None, most_at_once: int | None, now: float) -> None:
        """From now on this is the limit. The slot is never further ahead than if everything were spent: it was set
        under another limit, or by another clock."""
        self.per_second, self.most_at_once = per_second, most_at_once
        if per_second is not None:
            self.slot = min(self.slot, now + self.burst / per_second)

    def ready_at(self, now: float) -> float:
        """When there will be a token."""
        if self.per_second is None or self.tokens(now) > 0:
            return now
        return self.slot - (self.burst - 1) / self.per_second


@dataclass(slots=True)
class Window:
    """``size`` attempts at once, from 1 to ``most``."""

    most: int
    size: float = WINDOW
    calm_at: float = 0.0
    best: float = math.inf  # seconds
    best_at: float = 0.0

    @property
    def places(self) -> int:
        return max(1, min(self.most, int(self.size)))

    def ended(self, outcome: Outcome, now: float) -> None:
        """Learn from an attempt."""
        if outcome.failure is Failure.TIMEOUT or outcome.status in OVERWHELMED:
            self._shrink(0.5, now)
        elif outcome.acknowledged:
            if self._has_slowed_down(outcome.duration_ms / 1000, now):
                self._shrink(0.8, now)
            else:
                self.size = min(self.size + 1, float(self.most))

    def close(self) -> None:
        """Start again from one: after the breaker."""
        self.size = 1.0

    def _shrink(self, factor: float, now: float) -> None:
        if now >= self.calm_at:
            self.size = max(1.0, min(self.size, self.most) * factor)
            self.calm_at = now + CALM

    def _has_slowed_down(self, seconds: float, now: float) -> bool:
        given_way = self.best * FORGETTING ** min(now - self.best_at, 600.0) if self.best < math.inf else math.inf
        if seconds < given_way:
            self.best, self.best_at = seconds, now
            return False
        return seconds > given_way * SLOWER and seconds > given_way + NOTICEABLE
