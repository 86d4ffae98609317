"""A lane while a drain holds it: what it may be given now, and what an outcome means for it.

PURE: the clock is passed in, as unix seconds of the database. What has to outlive the owner is a LaneRow of the
ledger; everything else lives here, for as long as the lease.
"""

import math
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from delivery.sending.breaker import Breaker
from delivery.sending.concurrency import WINDOW, Rate, Window
from delivery.sql.claim import CLAIM_GRACE, LOW_WATER_MARGIN, ClaimRequest
from delivery.sql.lanes import LaneRow
from delivery.transports.outcome import Failure, Outcome
from subscriptions.routing.routes import Target

__all__ = ["HeldLane", "share"]

PROBE = 4  # deliveries an apparently empty lane is asked for, so that it cannot take the room of a full one


@dataclass(slots=True)
class HeldLane:
    """``hungry`` if the last claim gave all that was asked for; ``busy_at`` is when there was work last;
    ``warned`` counts the steps of the ladder of warnings its tenant has been told of (see health)."""

    target: Target
    floor: datetime
    rate: Rate
    window: Window
    breaker: Breaker
    warned: int = 0
    in_flight: int = 0
    hungry: bool = True
    leased_at: float = 0.0
    busy_at: float = 0.0
    asked: int = 0

    @classmethod
    def of(cls, row: LaneRow, target: Target, now: float) -> "HeldLane":
        lane = cls(
            target=target,
            floor=row.floor_at,
            rate=Rate(target.rate_limit, _seconds(row.next_slot_at) or 0.0, target.rate_burst),
            window=Window(target.max_in_flight, row.window or WINDOW),
            breaker=Breaker(row.failures, _seconds(row.failing_since), row.trips, _seconds(row.tripped_until)),
            warned=row.warned,
            leased_at=now,
            busy_at=now,
        )
        if row.inherited:
            lane.rate.spend_all(now)
        lane.follow(target, now)
        return lane

    def row(self) -> LaneRow:
        return LaneRow(
            endpoint_id=self.target.endpoint_id,
            floor_at=self.floor,
            next_slot_at=_instant(self.rate.slot or None),
            window=self.window.places,
            failures=self.breaker.failures,
            failing_since=_instant(self.breaker.failing_since),
            trips=self.breaker.trips,
            tripped_until=_instant(self.breaker.open_until),
            warned=self.warned,
        )

    def follow(self, target: Target | None, now: float) -> None:
        """The endpoint as it is now; None: it was deleted, and nothing more is sent."""
        if target is None:
            self.target = replace(self.target, state="deleted")
            return
        self.target = target
        self.rate.hold(target.rate_limit, target.rate_burst, now)
        self.window.most = target.max_in_flight
        since = self.breaker.failing_since
        if since is not None and since < target.anew_at:  # what it was before says nothing about it now
            self.breaker, self.window, self.warned = Breaker(), Window(target.max_in_flight), 0

    def is_shut(self, now: float) -> bool:
        """Nothing will go for a while: the endpoint is not active, or the breaker is open."""
        return not self.target.is_active or self.breaker.is_open(now)

    def room(self, now: float) -> int:
        """Attempts that may be started now, leaving aside what room the drain has."""
        if self.is_shut(now):
            return 0
        places = 1 if self.breaker.is_half_open(now) else self.window.places
        return int(max(0, min(places - self.in_flight, self.rate.tokens(now))))

    def ready_at(self, now: float) -> float:
        """When a hungry lane that is held back by its rate alone will have room."""
        if not self.hungry or self.is_shut(now) or self.in_flight >= self.window.places:
            return math.inf
        ready_at = self.rate.ready_at(now)
        return ready_at if ready_at > now else math.inf

    def ask(self, quota: int) -> ClaimRequest:
        self.asked = quota
        target = self.target
        return ClaimRequest(
            target.endpoint_id, quota, self.floor, target.timeout_ms / 1000 + CLAIM_GRACE, bool(target.ordering)
        )

    def got(self, count: int, newest: datetime | None, now: float) -> None:
        """What a claim brought: ``count`` deliveries, the newest due at ``newest``."""
        self.hungry = count > 0 and count >= self.asked
        if not count or newest is None:
            return
        self.in_flight += count
        self.busy_at = now
        if not self.target.ordering:  # a key in order may come to an old row late
            self.floor = max(self.floor, newest - timedelta(seconds=LOW_WATER_MARGIN))
        self.rate.spend(count, now)

    def ended(self, outcome: Outcome, now: float, url: str | None = None) -> None:
        """Learn from the end of an attempt; of one to another ``url`` than it has now, only that it has ended. In an
        ordered lane it is the turn of the key's next one."""
        self.in_flight -= 1
        self.busy_at = now
        self.hungry = self.hungry or bool(self.target.ordering)
        if url not in (None, self.target.url) or outcome.failure is Failure.INTERNAL:  # that one is ours
            return
        self.window.ended(outcome, now)
        if outcome.acknowledged:
            self.breaker.succeeded()
        elif self.breaker.failed(now):
            self.window.close()


def share(lanes: list[HeldLane], room: int, now: float) -> list[ClaimRequest]:
    """Divide the drain's room: equally among tenants, and each one's part equally among its lanes. Lanes that
    seemed empty are asked for a few, out of half the room at most."""
    able = _in_turn([(lane, free) for lane in lanes if (free := lane.room(now)) > 0])[: max(room, 0)]
    hungry = Counter(lane.target.tenant_id for lane, _ in able if lane.hungry)
    idle = len(able) - hungry.total()
    spare = room - len(able)  # one for each of them, and of what is left, to each:
    probe = min(PROBE - 1, spare // 2 // max(idle, 1))
    part = (spare - probe * idle) // max(len(hungry), 1)
    return [
        lane.ask(min(free, 1 + (part // hungry[lane.target.tenant_id] if lane.hungry else probe)))
        for lane, free in able
    ]


def _in_turn(able: list[tuple[HeldLane, int]]) -> list[tuple[HeldLane, int]]:
    """One lane of each tenant, then a second of each, and so on: where there is not room for all, nobody waits for the
    many of another."""
    turns: Counter[UUID] = Counter()
    rounds: list[int] = []
    for lane, _ in able:
        tenant = lane.target.tenant_id
        rounds.append(turns[tenant])
        turns[tenant] += 1
    return [able[index] for index in sorted(range(len(able)), key=rounds.__getitem__)]


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
