"""Log when an endpoint begins to fail, its circuit opens or closes, and it works again: one line for each change.

An endpoint that fails and works in turns could change its state many times a second, so a line of each kind is written
at most once a minute for each endpoint.
"""

from collections import OrderedDict
from typing import NamedTuple
from uuid import UUID

from delivery import telemetry
from delivery.lanes.breaker import OUTAGE_FAILURES, Breaker
from delivery.lanes.lane import LeasedLane
from delivery.sql.claim import Claimed
from delivery.transports.outcome import Outcome

EVERY = 60.0  # seconds between two lines of a kind about an endpoint
MOST_REMEMBERED = 4_096  # lines; the oldest is forgotten


class State(NamedTuple):
    """Hold the state of a breaker before an attempt ended."""

    failures: int
    open_count: int
    failing_since: float | None


def state_of(breaker: Breaker) -> State:
    """Return the state to compare with later."""
    return State(breaker.failures, breaker.open_count, breaker.failing_since)


class StateLog:
    """Remember what one drain has logged."""

    def __init__(self) -> None:
        self._logged_at: OrderedDict[tuple[UUID, str], float] = OrderedDict()

    def on_attempt_ended(self, lane: LeasedLane, claimed: Claimed, outcome: Outcome, before: State, now: float) -> None:
        """Log what an attempt has changed. ``now``: unix seconds."""
        after = lane.breaker
        seconds = round(now - before.failing_since, 1) if before.failing_since is not None else 0.0
        failed = {"failures": after.failures, "failure": outcome.failure, "status": outcome.status}
        if before.failures < OUTAGE_FAILURES <= after.failures:
            self._log("endpoint failing", lane, claimed, now, **failed)
        if after.open_count and not before.open_count:
            self._log("circuit opened", lane, claimed, now, **failed, seconds=round((after.open_until or now) - now, 1))
        if before.open_count and not after.open_count:
            self._log("circuit closed", lane, claimed, now, failing_seconds=seconds)
        if before.failures >= OUTAGE_FAILURES and not after.failures:
            self._log("endpoint recovered", lane, claimed, now, failures=before.failures, failing_seconds=seconds)

    def _log(self, what: str, lane: LeasedLane, claimed: Claimed, now: float, **fields: object) -> None:
        key = (lane.target.endpoint_id, what)
        if now - self._logged_at.get(key, 0.0) < EVERY:
            return
        self._logged_at[key] = now
        self._logged_at.move_to_end(key)
        if len(self._logged_at) > MOST_REMEMBERED:
            self._logged_at.popitem(last=False)
        telemetry.endpoint_changed(what, lane.target.tenant_id, claimed, **fields)
