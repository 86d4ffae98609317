"""Stop sending to an endpoint that keeps failing, and probe it with one attempt at a time (circuit breaker).

PURE: the clock is passed in, as unix seconds.

    closed      attempts are sent; it opens after OPEN_AFTER_FAILURES in a row that took at least OPEN_AFTER_SECONDS, or
                at once if the last of them is a response that reports overload (429, 503)
    open        no attempt is sent for a pause of FIRST_PAUSE seconds, which is short: an outage often is
    half-open   one attempt is sent, the probe: a sign of life closes the breaker, a failure opens it for PAUSE_GROWTH
                times the last pause, up to LONGEST_PAUSE

The breaker asks whether the endpoint works, not whether it accepts. A response in time that rejects a delivery (most
4xx, a redirect) is a sign of life, as one that accepts it is, and no failure. Any sign of life closes the breaker, also
that of an attempt that was in flight when it opened. Every other probe is the newest delivery that is due
(``probes_newest``), so that deliveries which the endpoint cannot process are not the only ones. When the URL or state
of an endpoint changes, its lane starts with a new breaker (delivery.lanes.lane). "Retry now"
(delivery.lifecycle.retry_now) makes an open breaker half-open, unless a drain leases the lane.

An open breaker costs no attempts: deliveries stay pending and their retry plans do not advance, also not by a probe
that is made ahead of its plan. When the endpoint recovers, what failed in the outage (``outage_since``) is due at once,
not only when its own retry would be.
"""

from dataclasses import dataclass

OPEN_AFTER_FAILURES = 20
OPEN_AFTER_SECONDS = 10.0
DAY = 86_400.0  # seconds
FIRST_PAUSE = 5.0  # seconds
PAUSE_GROWTH = 1.25  # factor from one pause to the next
LONGEST_PAUSE = 900.0  # seconds
OUTAGE_FAILURES = 3  # failures in a row over at least OPEN_AFTER_SECONDS are an outage, though the breaker is closed
MAX_FAILING_DAYS = 32_767  # smallint
MAX_OPEN_COUNT = 30  # beyond this the counter alternates, far above where the pause stops growing


@dataclass(slots=True)
class Breaker:
    """Count ``failures`` in a row since ``failing_since``, and how often it opened since the last sign of life.

    ``open_until``: the breaker is open until then. ``failing_days``: failures of which each came a day or more after
    the one counted before, the latest of them at ``failing_day_at``; the first failure counts as day 0. That measures
    evidence, not time. Instants are unix seconds.
    """

    failures: int = 0
    failing_since: float | None = None
    open_count: int = 0
    open_until: float | None = None
    failing_days: int = 0
    failing_day_at: float | None = None

    def is_open(self, now: float) -> bool:
        """Return whether no attempt may be sent."""
        return self.open_until is not None and now < self.open_until

    def is_half_open(self, now: float) -> bool:
        """Return whether one attempt at a time may be sent."""
        return self.open_count > 0 and not self.is_open(now)

    def outage_since(self, now: float) -> float | None:
        """Return when the outage began that a response ends now; None if only single deliveries failed."""
        since = self.failing_since
        if since is None or (not self.open_count and self.failures < OUTAGE_FAILURES):
            return None
        return since if self.open_count or now - since >= OPEN_AFTER_SECONDS else None

    @property
    def probes_newest(self) -> bool:
        """Return whether the next probe is the newest delivery that is due, and not the oldest."""
        return self.open_count % 2 == 1

    def on_sign_of_life(self) -> None:
        """Close the breaker and forget all failures."""
        self.failures, self.failing_since, self.open_count, self.open_until = 0, None, 0, None
        self.failing_days, self.failing_day_at = 0, None

    def probe_now(self, now: float) -> None:
        """End the pause of an open breaker."""
        if self.is_open(now):
            self.open_until = now

    def on_failure(self, now: float, started_at: float, *, too_many: bool = False) -> bool:
        """Count the failure of an attempt that began at ``started_at``. Return whether it opened the breaker.

        ``too_many``: the endpoint responded that it is overloaded.
        """
        self.failures += 1
        if self.failing_since is None or self.failing_day_at is None:
            self.failing_since, self.failing_day_at = self.failing_since or now, now
        elif now - self.failing_day_at >= DAY:
            self.failing_days, self.failing_day_at = min(self.failing_days + 1, MAX_FAILING_DAYS), now
        if self.open_until is not None and started_at < self.open_until:  # in flight when the breaker opened: no probe
            return False
        is_long = too_many or now - self.failing_since >= OPEN_AFTER_SECONDS
        if not self.open_count and not (is_long and self.failures >= OPEN_AFTER_FAILURES):
            return False
        self.open_until = now + min(FIRST_PAUSE * PAUSE_GROWTH**self.open_count, LONGEST_PAUSE)
        self.open_count = self.open_count + 1 if self.open_count < MAX_OPEN_COUNT else MAX_OPEN_COUNT - 1
        return True
