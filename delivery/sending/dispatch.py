"""Start claimed deliveries as places become free, and take the attempts that have ended.

All of this is in memory: a place that becomes free is filled again from what was claimed ahead, between two statements
of the drain, however long these take. What an ended attempt means for its lane counts at once; what it means for its
delivery is written when it is settled.
"""

import time
from collections.abc import Iterable, Sequence
from uuid import UUID

from delivery import telemetry
from delivery.sending.capacity import BodyBudget, Capacity
from delivery.sending.claimed_ahead import ClaimedAhead, Held
from delivery.sending.clock import Clock
from delivery.sending.lane import LeasedLane
from delivery.sending.leased_lanes import LeasedLanes
from delivery.sending.settlement import Ended
from delivery.sending.verdict import DEFAULT_PLAN
from delivery.sql.claim import Claimed, without_body
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Outcome
from delivery.transports.registry import Transports
from delivery.transports.transport import NotSent
from webhooks.wire.ids import new_id


class Dispatcher:
    """Hold what one drain has claimed and not settled. ``memory_freed``: large bodies have left memory."""

    def __init__(self, transports: Transports, lanes: LeasedLanes, clock: Clock, max_attempts: int) -> None:
        self.capacity = Capacity(max_attempts)
        self.bodies = BodyBudget()
        self.ahead = ClaimedAhead()
        self.saturating: frozenset[UUID] = frozenset()
        self.memory_freed = False
        self._work = 0  # attempts started and ended
        self._transports = transports
        self._lanes = lanes
        self._clock = clock
        self._not_sent: list[Ended] = []
        self._unsendable: list[Held] = []

    def may_send(self, lane: LeasedLane) -> bool:
        """Return whether a lane gets places at all for now."""
        return not self._lanes.must_yield(lane) and lane.target.tenant_id not in self.saturating

    def hold(self, claimed: Iterable[Claimed], token: UUID, until: float) -> None:
        """Hold claimed deliveries of leased lanes, to be sent until then (monotonic seconds)."""
        for it in claimed:
            held = Held(it, token, new_id(), self._lanes.target_of(it.endpoint_id).tenant_id, until)
            self.bodies.start(held.attempt_id, held.tenant_id, len(it.body))
            self.ahead.add(held)

    def start(self, places: Iterable[tuple[LeasedLane, int]]) -> None:
        """Send up to so many held deliveries of each of these lanes, without those that are held too long.

        Nothing is sent after the leases may have ended, for example because a statement has taken long.
        """
        if time.monotonic() >= self._lanes.leased_until:
            return
        prepared: list[tuple[InFlight, object]] = []
        now = self._clock.now()
        self._unsendable += self.ahead.pop_late(time.monotonic())
        for lane, count in places:
            held = self.ahead.pop(lane.target.endpoint_id, count)
            if held:
                lane.on_started(len(held), now)
            prepared += [it for it in (self._prepare(one, lane, now) for one in held) if it is not None]
        self._transports.submit(prepared)

    def _prepare(self, held: Held, lane: LeasedLane, now: float) -> tuple[InFlight, object] | None:
        """Compose the request for a transport, which alone keeps the body; None if there is nothing to send."""
        target, it = lane.target, held.claimed
        plan = DEFAULT_PLAN if target.retry_plan is None else target.retry_plan
        attempt = InFlight(without_body(it), held.token, plan, held.attempt_id, target.address, target.kind)
        self.capacity.start(held.attempt_id, target.tenant_id)
        self._work += 1
        request = self._transports.prepare(it, target, now)
        if not isinstance(request, NotSent):
            return attempt, request
        telemetry.not_sent(it.id, request.error)
        self._not_sent.append((attempt, Outcome(now, 0, failure=request.failure)))
        return None

    def refill(self) -> None:
        """Send held deliveries where places have become free, up to half of what is free: the rest is for all lanes."""
        if not len(self.ahead):
            return
        free = max(self.capacity.free(), 0) // 2
        room = self.capacity.room(free)
        places: list[tuple[LeasedLane, int]] = []
        for endpoint_id in self.ahead:
            lane = self._lanes.get(endpoint_id)
            if lane is None or not self.may_send(lane):
                continue
            wanted = min(self.ahead.count(endpoint_id), lane.capacity(self._clock.now()), free)
            if wanted > 0 and (count := room.take(lane.target.tenant_id, wanted)):
                places.append((lane, count))
                free -= count
        if places:
            self.start(places)

    def take(self) -> list[Ended]:
        """Return the attempts that have ended since the last call; their lanes know of it already."""
        ended = self._transports.take() + self._not_sent
        self._not_sent = []
        self._work += len(ended)
        for attempt, outcome in ended:
            self.capacity.end(attempt.attempt_id)
            self.memory_freed = self.bodies.end(attempt.attempt_id) or self.memory_freed
            if (lane := self._lanes.get(attempt.claimed.endpoint_id)) is None:
                self._lanes.on_orphaned_attempt_ended(attempt.claimed.endpoint_id)
            else:
                lane.on_attempt_ended(outcome, self._clock.now(), attempt.address)
        return ended

    def pop_work(self) -> int:
        """Return how many attempts have started and ended since the last call."""
        work, self._work = self._work, 0
        return work

    def unsendable(self) -> list[Held]:
        """Return what was held too long, or for lanes that send nothing or only one after the other.

        It is not held any more, and is returned again until ``forget_unsendable``.
        """
        now = self._clock.now()
        self._unsendable += self.ahead.pop_late(time.monotonic())
        for endpoint_id in self.ahead:
            lane = self._lanes.get(endpoint_id)
            if lane is None or not lane.may_hold(now) or self._lanes.must_yield(lane):
                self._unsendable += self.ahead.pop(endpoint_id)
        return self._unsendable

    def stop_holding(self) -> None:
        """Make everything that is held unsendable."""
        for endpoint_id in self.ahead:
            self._unsendable += self.ahead.pop(endpoint_id)

    def forget_unsendable(self) -> None:
        """Forget what was unsendable, after its claims were released; its lanes have deliveries again."""
        for it in self._unsendable:
            if (lane := self._lanes.get(it.claimed.endpoint_id)) is not None:
                lane.on_notified(self._clock.now())
        self.drop(self._unsendable)
        self._unsendable = []

    def drop(self, held: Sequence[Held]) -> None:
        """Free the memory of deliveries that are held no more."""
        for it in held:
            self.memory_freed = self.bodies.end(it.attempt_id) or self.memory_freed
