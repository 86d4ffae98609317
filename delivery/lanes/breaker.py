"""Stop sending to an endpoint that keeps failing, and probe it with one attempt at a time (circuit breaker).

PURE: the clock is passed in, as unix seconds.

    closed      attempts are sent; after OPEN_AFTER_FAILURES in a row over at least OPEN_AFTER_SECONDS it opens, and at
                once if that is how often in a row the endpoint has said that it has too much to do
    open        no attempt is sent for a pause of FIRST_PAUSE seconds, which is short: an outage often is
    half-open   one attempt is sent, the probe: a sign of life closes, failure opens for PAUSE_GROWTH times the pause,
                up to LONGEST_PAUSE

It asks whether the endpoint works, not whether it accepts. A response in time that rejects a delivery (most 4xx, a
redirect) is a sign of life, as one that accepts it is, and no failure. Any sign of life closes it, also that of an
attempt that was in flight when it opened. So that deliveries which the endpoint cannot process are not the only
probes, every other probe is the newest delivery that is due (``probes_newest``). A changed URL or state of the endpoint
starts a new one (delivery.lanes.lane). "Retry now" (delivery.lifecycle.send_now) makes an open one half-open, unless
a drain leases the lane.

An open breaker costs no attempts: deliveries stay pending and their retry plans do not advance, also not by a probe
that is made ahead of its plan. What failed before is due again when the endpoint recovers (``outage_since``), not only
when its own retry is.
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

    Open until ``open_until``. ``failing_days`` counts failures that came a day or more after the one counted before,
    the first of all or that at ``failing_day_at``: a measure of evidence, not of time. Instants are unix seconds.
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
        """Return when the outage began that ends with a sign of life now; None if only single deliveries failed."""
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

        ``too_many``: the endpoint has responded that it has too much to do.
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
