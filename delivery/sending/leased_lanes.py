"""The lanes one drain holds: leased for seconds, kept as long as they are in use, given back while others wait.

What a lane may do, and what it learns, it says itself (``lanes``); here it comes and goes. A drain that has stalled,
or whose database was away, asks first which lanes are still its own: those that are not may have another owner, and
get nothing more from this one.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from uuid import UUID

from delivery.sending.clock import Clock
from delivery.sending.lane import HeldLane
from delivery.sql.dead_letters import dead_letter_pending
from delivery.sql.due import recheck_due
from delivery.sql.lanes import LEASE_SECONDS, LeaseResult, lease_lanes, release_lanes, renew_lanes
from subscriptions.routing.routes import Target, targets
from webhooks.wire.ids import new_id

__all__ = ["Holding"]

MAX_LANES = 512  # held by one drain, not counting those in which nothing
STUCK = 1.0  # seconds long has begun or ended: endpoints that hang take no places from the others,
MOST_LANES = 2_048  # up to as many as memory is meant for
TENANT_LANES = 384  # of one tenant, at most, stuck or not: somebody else always finds a place
LANE_LINGER = 1.0  # seconds an empty lane is kept, so that a busy one is not written again and again
GIVE_BACK_EVERY = 0.02  # seconds between two looks for lanes to give back
TURN = 2.0  # seconds a lane may be held while others wait
RENEW_EVERY = LEASE_SECONDS / 3
REFRESH_EVERY = 1.0  # seconds between two looks at the endpoints of the lanes held
LOOK_EVERY = 0.25  # seconds between two looks for due lanes without a ring
BURIED_AT_ONCE = 200  # deliveries of an endpoint that gets nothing more: what is sent meanwhile waits for them


class Holding:
    """``is_free`` if a lane may be there to be leased (a ring says so); ``others_wait`` if there are more due lanes
    than this drain has places for."""

    def __init__(self, clock: Clock) -> None:
        self.owner = new_id()
        self.is_free = True
        self.others_wait = False
        self._clock = clock
        self._lanes: dict[UUID, HeldLane] = {}  # in the order in which they are asked
        self._strays: Counter[UUID] = Counter()  # attempts under way in lanes that were lost, by endpoint
        self._forlorn: dict[UUID, str] = {}  # endpoints whose deliveries are being buried, with the cause
        self._renewed_at = time.monotonic()

    def __iter__(self) -> Iterator[HeldLane]:
        return iter(self._lanes.values())

    def get(self, endpoint_id: UUID) -> HeldLane | None:
        return self._lanes.get(endpoint_id)

    def target_of(self, endpoint_id: UUID) -> Target:
        return self._lanes[endpoint_id].target

    def to_the_end(self, endpoint_id: UUID) -> HeldLane:
        """This lane, which has just been asked: the others come first the next time."""
        self._lanes[endpoint_id] = lane = self._lanes.pop(endpoint_id)
        return lane

    @property
    def is_burying(self) -> bool:
        return bool(self._forlorn)

    def renew(self) -> None:
        """Keep the leases, and learn which are not ours any more. To be called before anything is claimed."""
        began = time.monotonic()
        if began - self._renewed_at < RENEW_EVERY:
            return
        renewed = renew_lanes(self.owner, [lane.row() for lane in self])
        self._renewed_at = began
        if renewed.now is not None:
            self._clock.set(renewed.now)
        for endpoint_id in self._lanes.keys() - renewed.held:
            self._strays[endpoint_id] += self._lanes.pop(endpoint_id).in_flight

    def lease(self) -> None:
        """Take lanes that are due, as far as there are places."""
        if not (self.is_free or self._clock.is_time("lease", LOOK_EVERY)):
            return
        self.is_free = False
        room = self._places()
        leased = lease_lanes(self.owner, room, share=TENANT_LANES, held=self._by_tenant()) if room > 0 else None
        if leased is not None:
            self._take(leased)
        is_full = room <= 0 or (leased is not None and len(leased.lanes) == room)
        self.others_wait = is_full or max(self._by_tenant().values(), default=0) >= TENANT_LANES

    def _take(self, leased: LeaseResult) -> None:
        self._clock.set(leased.now)
        self._forlorn |= leased.undeliverable
        known = targets(row.endpoint_id for row in leased.lanes)
        for row in leased.lanes:
            target = known.get(row.endpoint_id)
            if target is not None and row.endpoint_id not in self._lanes:
                self._lanes[row.endpoint_id] = lane = HeldLane.of(row, target, self._clock.now())
                lane.in_flight = self._strays.pop(row.endpoint_id, 0)

    def _places(self) -> int:
        long_ago = self._clock.now() - STUCK
        stuck = sum(lane.in_flight > 0 and lane.busy_at < long_ago for lane in self)
        return min(MAX_LANES + stuck, MOST_LANES) - len(self._lanes)

    def _by_tenant(self) -> Counter[UUID]:
        return Counter(lane.target.tenant_id for lane in self)

    def tend(self) -> None:
        """Follow changes of the endpoints, bury what is owed to nobody, give back what is not needed."""
        if self._clock.is_time("follow", REFRESH_EVERY):
            self.follow()
        if self._forlorn:
            self._bury()
        if self._clock.is_time("give back", GIVE_BACK_EVERY):
            self.release([lane for lane in self if self._is_over(lane)])

    def follow(self) -> None:
        known = targets([*self._lanes, *self._forlorn])
        for endpoint_id, lane in self._lanes.items():
            lane.follow(known.get(endpoint_id), self._clock.now())
        hoped_for = [key for key in self._forlorn if key in known and known[key].is_active]  # switched on meanwhile
        for endpoint_id in hoped_for:
            del self._forlorn[endpoint_id]

    def bury(self, endpoint_ids: Iterable[UUID], cause: str) -> None:
        """These endpoints get nothing more: their deliveries are given up, by and by."""
        self._forlorn |= dict.fromkeys(endpoint_ids, cause)

    def _bury(self) -> None:
        endpoint_id, cause = next(iter(self._forlorn.items()))
        if not dead_letter_pending(endpoint_id, cause, BURIED_AT_ONCE):
            del self._forlorn[endpoint_id]

    def _is_over(self, lane: HeldLane) -> bool:
        if lane.in_flight:
            return False
        now = self._clock.now()
        if lane.is_shut(now) or self.has_had_its_turn(lane):
            return True
        return not lane.hungry and (self.others_wait or now - lane.busy_at > LANE_LINGER)

    def has_had_its_turn(self, lane: HeldLane) -> bool:
        """Others wait: it gets nothing more, and is given back when what is in flight has ended."""
        return self.others_wait and self._clock.now() - lane.leased_at > TURN

    def stray_ended(self, endpoint_id: UUID) -> None:
        """An attempt has ended whose lane had been lost."""
        self._strays[endpoint_id] -= 1
        if self._strays[endpoint_id] <= 0:
            del self._strays[endpoint_id]

    def release(self, lanes: list[HeldLane]) -> None:
        """Give these back, and look once more what they owe."""
        if not lanes:
            return
        for lane in lanes:
            del self._lanes[lane.target.endpoint_id]
        release_lanes(self.owner, [lane.row() for lane in lanes])
        recheck_due([lane.target.endpoint_id for lane in lanes])
        if self.others_wait:
            self.is_free = True  # one of theirs

    def release_all(self) -> None:
        """Give everything back; the next drain buries what is left to bury."""
        recheck_due(list(self._forlorn))
        self.release(list(self))
