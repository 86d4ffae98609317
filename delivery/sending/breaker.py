"""Stop sending to an endpoint that keeps failing, and probe it with one attempt at a time (circuit breaker).

PURE: the clock is passed in, as unix seconds.

    closed      attempts are sent; after OPEN_AFTER_FAILURES in a row over at least OPEN_AFTER_SECONDS it opens
    open        no attempt is sent for a pause of FIRST_PAUSE seconds, which is short: an outage often is
    half-open   one attempt is sent, the probe: success closes, failure opens for PAUSE_GROWTH times the pause, up to
                LONGEST_PAUSE

Any success closes it, also of an attempt that was in flight when it opened. A changed URL or state of the endpoint
starts a new one (delivery.sending.lane). "Retry now" (delivery.lifecycle.send_now) makes an open one half-open, unless
a drain leases the lane.

An open breaker costs no attempts: deliveries stay pending and their retry plans do not advance, also not by a probe
that is made ahead of its plan. What failed before is due again when the endpoint recovers (``outage_since``), not only
when its own retry is.
"""

from dataclasses import dataclass

OPEN_AFTER_FAILURES = 20
OPEN_AFTER_SECONDS = 10.0
FIRST_PAUSE = 5.0  # seconds
PAUSE_GROWTH = 1.25  # factor from one pause to the next
LONGEST_PAUSE = 900.0  # seconds
OUTAGE_FAILURES = 3  # failures in a row over at least OPEN_AFTER_SECONDS are an outage, though the breaker is closed
MAX_OPEN_COUNT = 30  # beyond this the counter stays, far above where the pause stops growing


@dataclass(slots=True)
class Breaker:
    """Count ``failures`` in a row since ``failing_since``, and how often it opened since the last success.

    Open until ``open_until``; both instants are unix seconds.
    """

    failures: int = 0
    failing_since: float | None = None
    open_count: int = 0
    open_until: float | None = None

    def is_open(self, now: float) -> bool:
        """Return whether no attempt may be sent."""
        return self.open_until is not None and now < self.open_until

    def is_half_open(self, now: float) -> bool:
        """Return whether one attempt at a time may be sent."""
        return self.open_count > 0 and not self.is_open(now)

    def outage_since(self, now: float) -> float | None:
        """Return when the outage began that a success at ``now`` ends; None if only single deliveries have failed."""
        since = self.failing_since
        if since is None or (not self.open_count and self.failures < OUTAGE_FAILURES):
            return None
        return since if self.open_count or now - since >= OPEN_AFTER_SECONDS else None

    def on_success(self) -> None:
        """Close the breaker and forget all failures."""
        self.failures, self.failing_since, self.open_count, self.open_until = 0, None, 0, None

    def probe_now(self, now: float) -> None:
        """End the pause of an open breaker."""
        if self.is_open(now):
            self.open_until = now

    def on_failure(self, now: float, started_at: float) -> bool:
        """Count the failure of an attempt that began at ``started_at``. Return whether it opened the breaker."""
        self.failures += 1
        self.failing_since = now if self.failing_since is None else self.failing_since
        if self.open_until is not None and started_at < self.open_until:  # in flight when the breaker opened: no probe
            return False
        is_long = self.failures >= OPEN_AFTER_FAILURES and now - self.failing_since >= OPEN_AFTER_SECONDS
        if not self.open_count and not is_long:
            return False
        self.open_until = now + min(FIRST_PAUSE * PAUSE_GROWTH**self.open_count, LONGEST_PAUSE)
        self.open_count = min(self.open_count + 1, MAX_OPEN_COUNT)
        return True
