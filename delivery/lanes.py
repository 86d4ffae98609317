"""A lane while a drain holds it: how much it may be given now, and what an outcome means for it.

PURE: the clock is passed in, as unix seconds of the database. What has to outlive the owner is a LaneRow of the
ledger; everything else lives here, for as long as the lease.

Rate limit: GCRA. ``slot`` is when the next attempt may go if everything so far kept its distance; up to ``burst``
attempts may run ahead of it. Breaker: a lane that has failed TRIP_FAILURES times in a row for TRIP_SECONDS is left
alone for 30 s, then twice as long each time, up to 15 min; between two such pauses one attempt, the probe, decides.
"""

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from delivery.ledger import GRACE, MARGIN, Asking, LaneRow
from delivery.outcome import Outcome
from subscriptions.routes import Target

__all__ = ["HeldLane", "share"]

TRIP_FAILURES = 20
TRIP_SECONDS = 10.0
TRIP_PAUSE, TRIP_PAUSE_MOST = 30.0, 900.0  # seconds
BURST = 0.1  # seconds of the rate limit that may go at once
PROBE = 4  # deliveries an apparently empty lane is asked for, so that it cannot take the room of a full one


@dataclass(slots=True)
class HeldLane:
    """``busy`` since the last time there was work; ``hungry`` if the last claim gave all that was asked for."""

    target: Target
    floor: datetime
    slot: float = 0.0
    failures: int = 0
    failing_since: float | None = None
    trips: int = 0
    tripped_until: float | None = None
    in_flight: int = 0
    hungry: bool = True
    leased_at: float = 0.0
    busy_at: float = 0.0
    asked: int = field(default=0, repr=False)

    @classmethod
    def of(cls, row: LaneRow, target: Target, now: float) -> "HeldLane":
        return cls(
            target=target,
            floor=row.floor_at,
            slot=_seconds(row.next_slot_at) or 0.0,
            failures=row.failures,
            failing_since=_seconds(row.failing_since),
            trips=row.trips,
            tripped_until=_seconds(row.tripped_until),
            leased_at=now,
            busy_at=now,
        )

    def follow(self, target: Target | None) -> None:
        """The endpoint as it is now; None: it was deleted, and nothing more is sent."""
        self.target = replace(self.target, state="deleted") if target is None else target

    def row(self) -> LaneRow:
        return LaneRow(
            endpoint_id=self.target.endpoint_id,
            floor_at=self.floor,
            next_slot_at=_instant(self.slot) if self.slot else None,
            failures=self.failures,
            failing_since=_instant(self.failing_since),
            trips=self.trips,
            tripped_until=_instant(self.tripped_until),
        )

    def room(self, now: float) -> int:
        """Attempts that may be started now, leaving aside what room the drain has."""
        if self.is_shut(now):
            return 0
        if self.trips:
            return max(0, 1 - self.in_flight)
        free = self.target.max_in_flight - self.in_flight
        return max(0, min(free, self._tokens(now)))

    def is_shut(self, now: float) -> bool:
        """Nothing will go for a while: the endpoint is not active, or the breaker is open."""
        return not self.target.is_active or (self.tripped_until is not None and now < self.tripped_until)

    def ready_at(self, now: float) -> float:
        """When a hungry lane that has no room only because of its rate will have some again."""
        if self.target.rate_limit is None or not self.hungry or self._tokens(now) > 0:
            return math.inf
        return self.slot - self._burst() / self.target.rate_limit + 1 / self.target.rate_limit

    def _burst(self) -> float:
        return max(1.0, (self.target.rate_limit or 0) * BURST)

    def _tokens(self, now: float) -> int:
        if self.target.rate_limit is None:
            return 1_000_000
        ahead = max(self.slot - now, 0.0)
        return max(0, math.floor(self._burst() - ahead * self.target.rate_limit + 1e-9))

    def ask(self, quota: int) -> Asking:
        self.asked = quota
        return Asking(self.target.endpoint_id, quota, self.floor, self.target.timeout_ms / 1000 + GRACE)

    def got(self, count: int, newest: datetime | None, now: float) -> None:
        """What a claim brought: ``count`` deliveries, the newest due at ``newest``."""
        self.hungry = count > 0 and count >= self.asked
        if not count or newest is None:
            return
        self.in_flight += count
        self.busy_at = now
        self.floor = max(self.floor, newest - timedelta(seconds=MARGIN))
        if self.target.rate_limit is not None:
            self.slot = max(self.slot, now) + count / self.target.rate_limit

    def ended(self, outcome: Outcome, now: float) -> None:
        """What an attempt's end means for the breaker."""
        self.in_flight -= 1
        self.busy_at = now
        if outcome.acknowledged:
            self.failures, self.failing_since, self.trips, self.tripped_until = 0, None, 0, None
            return
        self.failures += 1
        self.failing_since = self.failing_since or now
        fresh = self.failures >= TRIP_FAILURES and now - self.failing_since >= TRIP_SECONDS
        if self.trips or fresh:
            self._trip(now)

    def _trip(self, now: float) -> None:
        if self.tripped_until is not None and now < self.tripped_until:
            return  # the answers of those that were under way when it tripped
        pause = min(TRIP_PAUSE * 2**self.trips, TRIP_PAUSE_MOST)
        self.tripped_until = now + pause
        self.trips = min(self.trips + 1, 15)


def share(lanes: list[HeldLane], room: int, now: float) -> list[Asking]:
    """Divide the drain's room among lanes, in the order they stand: half of it at most for a probe of those that
    seemed empty, the rest in equal parts for the hungry ones."""
    able = [(lane, free) for lane in lanes if (free := lane.room(now)) > 0][: max(room, 0)]
    hungry = sum(lane.hungry for lane, _ in able)
    spare = room - len(able)  # one for each of them, and of what is left, to each:
    probe = min(PROBE - 1, spare // 2 // max(len(able) - hungry, 1))
    part = (spare - probe * (len(able) - hungry)) // max(hungry, 1)
    return [lane.ask(min(free, 1 + (part if lane.hungry else probe))) for lane, free in able]


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
