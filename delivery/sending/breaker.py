"""Leave an endpoint alone that has failed for a while, and ask it with one attempt at a time whether it is back.

PURE: the clock is passed in, as unix seconds. Closed: everything goes. After TRIP_FAILURES failures in a row over at
least TRIP_SECONDS it trips: nothing goes for a pause of 30 s. Then it is half-open: one attempt goes, the probe.
If it fails the next pause is twice as long, up to 15 min; if it succeeds the breaker is closed.

Waiting costs no attempt: deliveries stay pending, and their retry plans stand still.
"""

from dataclasses import dataclass

__all__ = ["Breaker"]

TRIP_FAILURES = 20
TRIP_SECONDS = 10.0
PAUSE, LONGEST_PAUSE = 30.0, 900.0  # seconds


@dataclass(slots=True)
class Breaker:
    """``failures`` in a row since ``failing_since``; ``trips`` since the last success; open until ``open_until``."""

    failures: int = 0
    failing_since: float | None = None
    trips: int = 0
    open_until: float | None = None

    def is_open(self, now: float) -> bool:
        return self.open_until is not None and now < self.open_until

    def is_half_open(self, now: float) -> bool:
        return self.trips > 0 and not self.is_open(now)

    def succeeded(self) -> None:
        self.failures, self.failing_since, self.trips, self.open_until = 0, None, 0, None

    def failed(self, now: float) -> bool:
        """One more failure. True if it tripped."""
        self.failures += 1
        self.failing_since = now if self.failing_since is None else self.failing_since
        if self.is_open(now):
            return False  # the answers of those that were under way when it tripped
        if not self.trips and (self.failures < TRIP_FAILURES or now - self.failing_since < TRIP_SECONDS):
            return False
        self.open_until = now + min(PAUSE * 2**self.trips, LONGEST_PAUSE)
        self.trips = min(self.trips + 1, 30)
        return True
