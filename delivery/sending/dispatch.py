"""Start claimed deliveries as places become free, and collect the attempts that have ended.

All of this is in memory, and happens also while a statement of the drain runs: a place that becomes free is filled
again from what was claimed ahead, however long the statement takes. When an attempt ends, its lane is updated at once;
its delivery is written when the attempt is settled.
"""

import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from delivery import telemetry
from delivery.lanes.clock import Clock
from delivery.lanes.concurrency import SENT_WITHIN
from delivery.lanes.lane import LeasedLane
from delivery.lanes.leased_lanes import LeasedLanes
from delivery.lanes.state_log import StateLog, state_of
from delivery.sending.attempt_spans import AttemptSpans
from delivery.sending.capacity import BodyBudget, Capacity
from delivery.sending.claimed_ahead import ClaimedAhead, Held
from delivery.sending.settlement import Ended
from delivery.sending.verdict import DEFAULT_PLAN
from delivery.sql.claim import CLAIM_GRACE, HOLD_SECONDS, NO_TENANT, Claimed, without_body
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Outcome
from delivery.transports.registry import Transports
from delivery.transports.transport import NotSent
from subscriptions.endpoints.destinations.registry import HTTP
from webhooks.kit.tracing.spans import Switch
from webhooks.wire.ids import new_id

SUBMIT_BATCH = 32  # attempts composed before they are sent
FEWEST_USEFUL = 2  # attempts in flight to one endpoint that are never too many
ENOUGH_IN_FLIGHT = 256  # attempts in flight in one drain with which it always has something to do
FEW_LANES = 32  # lanes of one drain; of more, each may take longer, since all of them are sent meanwhile


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
        self._state_log = StateLog()
        self._spans = AttemptSpans()
        self._not_sent: list[Ended] = []
        self._unsendable: list[Held] = []
        self._freed: dict[UUID, None] = {}  # endpoints with held deliveries for which there may be a place now

    def may_send(self, lane: LeasedLane) -> bool:
        """Return whether a lane may get places now."""
        return not (self._lanes.must_yield(lane) or (self.saturating and lane.target.tenant_id in self.saturating))

    def hold(self, claimed: Iterable[Claimed], token: UUID, until: float) -> None:
        """Hold claimed deliveries of leased lanes, to be sent until then (monotonic seconds)."""
        for endpoint_id, claims in groupby(claimed, attrgetter("endpoint_id")):
            tenant_id = self._lanes.target_of(endpoint_id).tenant_id
            held = [Held(it, token, new_id(), tenant_id, until) for it in claims]
            for one in held:
                self.bodies.start(one.attempt_id, tenant_id, len(one.claimed.body))
            self.ahead.add(endpoint_id, held)

    def hold_for_publishers(self, claims: Iterable[tuple[Claimed, float]], token: UUID, asked_at: float) -> None:
        """Hold what publishers have claimed for this drain, each with the seconds from ``asked_at`` its claim lasts.

        What the drain may not send, or has no room for, is unsendable, and its body leaves memory. Nothing is held for
        longer than HOLD_SECONDS, also if the database's clock went back since the claim.
        """
        now, room = self._clock.now(), self.ahead.room()
        for it, seconds in claims:
            lane = self._lanes.get(it.endpoint_id)
            if lane is None or not lane.may_hold(now) or not room.take(lane.target.tenant_id, 1):
                self._unsendable.append(Held(it._replace(body=b""), token, new_id(), NO_TENANT, 0.0))
            else:
                seconds_held = min(seconds - lane.target.timeout_ms / 1000 - CLAIM_GRACE, HOLD_SECONDS)
                self.hold([it], token, asked_at + seconds_held)
                self._freed[it.endpoint_id] = None

    def start(self, places: Iterable[tuple[LeasedLane, int]]) -> None:
        """Send up to ``count`` held deliveries of each lane, except those that were held too long.

        Nothing is sent once the leases may have ended, for example because a statement took long.
        """
        now, until = self._clock.now(), time.monotonic()
        if until >= self._lanes.leased_until:
            return
        batch: list[tuple[InFlight, object]] = []
        for lane, count in places:
            held = self.ahead.pop(lane.target.endpoint_id, count)
            if held and held[0].until <= until:  # the oldest is the first
                self._unsendable += [it for it in held if it.until <= until]
                held = [it for it in held if it.until > until]
            if held:
                lane.on_started(len(held), now)
            for one in held:
                if (prepared := self._prepare(one, lane, now)) is not None:
                    batch.append(prepared)
                if len(batch) >= SUBMIT_BATCH:
                    self._transports.submit(batch)
                    batch = []
        self._transports.submit(batch)

    def fill(self, places: Iterable[tuple[LeasedLane, int]]) -> None:
        """Send held deliveries in these places, as far as they are still free and useful."""
        now, free = self._clock.now(), max(self.capacity.free(), 0)
        left: list[tuple[LeasedLane, int]] = []
        for lane, count in places:
            left.append((lane, min(count, self.useful(lane, now), free)))
            free -= left[-1][1]
        self.start(left)

    def useful(self, lane: LeasedLane, now: float) -> int:
        """Return how many attempts of a lane to start now: no more at once than its held deliveries need.

        Each attempt at the same time needs a connection of its own, and what is held is sent as the others end. Those
        of other transports than ``http`` share requests or calls, so the more there are, the better.
        """
        places = lane.capacity(now)
        if places <= FEWEST_USEFUL or not lane.may_hold(now) or lane.target.kind != HTTP:
            return places
        waiting = self.ahead.count(lane.target.endpoint_id) + lane.in_flight
        lanes = max(len(self._lanes), 1)
        unanswered_for = now - lane.last_active_at if lane.in_flight else 0.0
        useful = lane.window.useful(waiting, unanswered_for, within=SENT_WITHIN * max(lanes / FEW_LANES, 1.0))
        share = ENOUGH_IN_FLIGHT // lanes
        fewest = min(FEWEST_USEFUL, max(share, 1))
        return max(min(places, max(share, useful, fewest) - lane.in_flight), 0)

    def _prepare(self, held: Held, lane: LeasedLane, now: float) -> tuple[InFlight, object] | None:
        """Compose the request for a transport, which alone keeps the body; None if there is nothing to send."""
        target, it = lane.target, held.claimed
        plan = DEFAULT_PLAN if target.retry_plan is None else target.retry_plan
        attempt = InFlight(
            without_body(it),
            held.token,
            plan,
            held.attempt_id,
            target.address,
            target.kind,
            target.tenant_id,
            target.has_on_success,
        )
        self.capacity.start(held.attempt_id, target.tenant_id)
        self._work += 1
        if Switch.is_on:
            it = self._spans.start(held.attempt_id, it, target)
        request = self._transports.prepare(it, target, now)
        if not isinstance(request, NotSent):
            return attempt, request
        telemetry.not_sent(it.id, request.error)
        outcome = Outcome(
            now,
            0,
            failure=request.failure,
            response=request.detail.encode(),
            rejected=request.rejected,
            is_final=request.is_final,
        )
        self._not_sent.append((attempt, outcome))
        return None

    def refill(self) -> None:
        """Send held deliveries where places have become free, up to half of what is free: the rest is for all lanes."""
        if not self._freed:
            return
        free = max(self.capacity.free(), 0) // 2
        room = self.capacity.room(free)
        places: list[tuple[LeasedLane, int]] = []
        now = self._clock.now()
        for endpoint_id in self._freed:
            lane = self._lanes.get(endpoint_id)
            if lane is None or not self.may_send(lane):
                continue
            wanted = min(self.ahead.count(endpoint_id), self.useful(lane, now), free)
            if wanted > 0 and (count := room.take(lane.target.tenant_id, wanted)):
                places.append((lane, count))
                free -= count
        self._freed.clear()
        if places:
            self.start(places)

    def take(self) -> list[Ended]:
        """Return the attempts that have ended since the last call; their lanes know of it already."""
        ended = self._transports.take()
        if self._not_sent:
            ended += self._not_sent
            self._not_sent = []
        self._work += len(ended)
        now = self._clock.now()
        for attempt, outcome in ended:
            endpoint_id = attempt.claimed.endpoint_id
            self.capacity.end(attempt.attempt_id)
            if Switch.is_on:
                self._spans.end(attempt.attempt_id, outcome)
            self.memory_freed = self.bodies.end(attempt.attempt_id) or self.memory_freed
            if (lane := self._lanes.get(endpoint_id)) is None:
                self._lanes.on_orphaned_attempt_ended(endpoint_id)
                continue
            breaker = lane.breaker
            before = state_of(breaker) if outcome.failure is not None or breaker.failures else None
            lane.on_attempt_ended(outcome, now, attempt.address)
            if before is not None:
                self._state_log.on_attempt_ended(lane, attempt.claimed, outcome, before, now)
            if self.ahead and endpoint_id in self.ahead:
                self._freed[endpoint_id] = None
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
        return list(self._unsendable)

    def stop_holding(self) -> None:
        """Make everything that is held unsendable."""
        for endpoint_id in self.ahead:
            self._unsendable += self.ahead.pop(endpoint_id)

    def forget_unsendable(self, count: int) -> None:
        """Forget the first ``count`` that were unsendable, after their claims were released."""
        forgotten, self._unsendable = self._unsendable[:count], self._unsendable[count:]
        for it in forgotten:
            if (lane := self._lanes.get(it.claimed.endpoint_id)) is not None:
                lane.on_notified(self._clock.now())
        self.drop(forgotten)

    def drop(self, held: Sequence[Held]) -> None:
        """Free the memory of deliveries that are held no more."""
        for it in held:
            self.memory_freed = self.bodies.end(it.attempt_id) or self.memory_freed
