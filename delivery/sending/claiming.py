"""Decide in each turn of a drain how much to claim in which lane, claim it, and hand it to the dispatcher.

Free places are shared among tenants and lanes, and filled with held deliveries. Deliveries are claimed for the places
that are left, and some more for fast endpoints, to be held. In an ordered lane only those that may be sent now are
claimed; a search finds them, which walks a bounded number of order keys in each turn. ``seconds_to_wait`` says when the
next turn has something to do.
"""

import random
import time
from datetime import datetime
from uuid import UUID

from delivery import metrics
from delivery.lanes.clock import Clock
from delivery.lanes.lane import LeasedLane
from delivery.lanes.leased_lanes import POLL_EVERY, LeasedLanes
from delivery.sending.capacity import share_capacity
from delivery.sending.dispatch import Dispatcher
from delivery.sql.claim import HOLD_SECONDS, Claimed, ClaimRequest, claim_deliveries
from delivery.sql.keyed.order_heads import MAX_KEYS
from webhooks.kit.process.wake_ups import seconds_until
from webhooks.wire.ids import new_id

KEYS_PER_TURN = 2_048  # order keys walked in one turn, in all ordered lanes together
MIN_KEYS = 16  # order keys walked in one turn in each ordered lane, however many lanes there are
ROOM_EVERY = 0.02  # seconds between two checks whether attempts have become slow, and left their places to others
WAKE_EVERY = 5.0  # seconds between two checks for due lanes by an idle drain that expects none
RETRY_EVERY = 1.0  # seconds between two checks by an idle drain that has lanes, or may lease one


class Claiming:
    """Claim for the leased lanes of one drain. ``ask_all``: whether the next turn asks all of them for deliveries."""

    def __init__(self, lanes: LeasedLanes, dispatcher: Dispatcher, clock: Clock) -> None:
        self.ask_all = True
        self._lanes = lanes
        self._dispatcher = dispatcher
        self._clock = clock

    def claim(self) -> int:
        """Share the free places, fill them with what is held, claim for the rest and ahead; return how many claims.

        A lane that was empty is asked again after a notification for it, or after POLL_EVERY.
        """
        dispatcher = self._dispatcher
        ask_all = self._clock.is_due("claim", POLL_EVERY) or self.ask_all or dispatcher.memory_freed
        self.ask_all = dispatcher.memory_freed = False
        dispatcher.saturating = dispatcher.capacity.saturating_tenants()
        now = self._clock.now()
        self._count_throttled(now)
        asked = [lane for lane in self._lanes if (lane.may_have_more or ask_all) and dispatcher.may_send(lane)]
        self._continue_searches(asked, now, again=ask_all)
        places = self._fill_places(asked, now)
        requests = self._requests(asked, places, now)
        if not requests:
            return 0
        token, asked_at = new_id(), time.monotonic()
        claimed = claim_deliveries(token, requests, dispatcher.bodies.allowance())
        metrics.claimed(len(claimed), time.monotonic() - asked_at)
        self._record_claimed([request.endpoint_id for request in requests], claimed)
        dispatcher.hold(claimed, token, asked_at + HOLD_SECONDS)
        dispatcher.fill([(self._lanes.move_to_end(key), count) for key, count in places.items()])
        return len(claimed)

    def seconds_to_wait(self, *, is_idle: bool) -> float:
        """Return in how many seconds there may be a lane to lease, or something to claim or send in a leased one.

        ``is_idle``: whether the drain has had nothing to do for a while.
        """
        poll_every = self._idle_seconds() if is_idle else POLL_EVERY
        now, dispatcher = self._clock.now(), self._dispatcher
        if self.ask_all or dispatcher.memory_freed or self._lanes.batches or self._lanes.seconds_to_lease() <= 0:
            return 0.0
        wanting = [
            lane
            for lane in self._lanes
            if (lane.may_have_more or dispatcher.ahead.count(lane.target.endpoint_id))
            and lane.capacity(now)
            and dispatcher.may_send(lane)
        ]
        free = dispatcher.capacity.free() if wanting else 0
        room = dispatcher.capacity.room(free)
        if free > 0 and any(self._can_go_on(lane, now) and room.take(lane.target.tenant_id, 1) for lane in wanting):
            return 0.0
        ready_at = min((lane.ready_at(now) for lane in self._lanes), default=now + poll_every)
        wait = min(ROOM_EVERY if wanting else poll_every, self._lanes.seconds_to_lease())
        return max(0.0, min(wait, ready_at - now))

    def _idle_seconds(self) -> float:
        """Return in how many seconds an idle drain checks for due lanes, unless it gets a notification.

        That is when the next lane will be due, or at the next multiple of WAKE_EVERY; in RETRY_EVERY seconds if it is
        due now, if that is not known, or if the drain has lanes.
        """
        if len(self._lanes):
            return RETRY_EVERY
        until_due = self._lanes.next_due_at - self._clock.now()
        return min(until_due if until_due > 0 else RETRY_EVERY, seconds_until(WAKE_EVERY))

    def _can_go_on(self, lane: LeasedLane, now: float) -> bool:
        """Return whether a lane with a free place has something to send there at once, or may claim something."""
        held = self._dispatcher.ahead.count(lane.target.endpoint_id)
        if lane.may_have_more and lane.capacity(now) > held:
            return True
        return held > 0 and self._dispatcher.useful(lane, now) > 0

    def _count_throttled(self, now: float) -> None:
        """Count the time in which rate limits have held deliveries back since the last turn."""
        for lane in self._lanes:
            if lane.target.rate_limit is not None:
                seconds = lane.pop_throttled(now, has_more=lane.may_have_more)
                metrics.throttled(seconds, lane.target.tenant_id, lane.target.endpoint_id)

    def _fill_places(self, asked: list[LeasedLane], now: float) -> dict[UUID, int]:
        """Share the free places among these lanes and those with held deliveries, and fill them with the latter.

        Return how many places are left, by endpoint, in the order in which the lanes are asked.
        """
        dispatcher, ahead = self._dispatcher, self._dispatcher.ahead
        lanes = {lane.target.endpoint_id: lane for lane in asked}
        for endpoint_id in ahead:
            if (lane := self._lanes.get(endpoint_id)) is not None and dispatcher.may_send(lane):
                lanes[endpoint_id] = lane
        sharing = list(lanes.values())
        if dispatcher.bodies.is_used_up:
            random.shuffle(sharing)  # the first ones get what memory there is
        free = dispatcher.capacity.free()
        shares = share_capacity(sharing, free, now, dispatcher.capacity.room(free))
        left = {it.lane.target.endpoint_id: it.limit - ahead.count(it.lane.target.endpoint_id) for it in shares}
        dispatcher.fill(shares)
        return {key: count for key, count in left.items() if count > 0}

    def _requests(self, asked: list[LeasedLane], places: dict[UUID, int], now: float) -> list[ClaimRequest]:
        """Request deliveries for these places, and some to hold for lanes whose attempts end fast."""
        ahead = self._dispatcher.ahead
        room, free = ahead.room(), ahead.free
        order = {key: number for number, key in enumerate(places)}
        requests: list[ClaimRequest] = []
        for lane in sorted(asked, key=lambda it: order.get(it.target.endpoint_id, len(order))):
            endpoint_id = lane.target.endpoint_id
            wanted = min(lane.wanted_ahead(now) - ahead.count(endpoint_id), free)
            beyond = room.take(lane.target.tenant_id, wanted) if wanted > 0 else 0
            free -= beyond
            if (limit := places.get(endpoint_id, 0) + beyond) > 0:
                requests.append(lane.claim_request(limit, HOLD_SECONDS if lane.may_hold(now) else 0.0))
        return requests

    def _continue_searches(self, lanes: list[LeasedLane], now: float, *, again: bool) -> None:
        """Divide the order keys that may be walked in this turn among the lanes that search for heads."""
        if again:
            for lane in lanes:
                lane.search_again(now)
        searches = [lane.heads for lane in lanes if lane.heads is not None and not lane.heads.is_complete]
        for heads in searches:
            heads.max_keys = min(MAX_KEYS, max(KEYS_PER_TURN // len(searches), MIN_KEYS))

    def _record_claimed(self, asked: list[UUID], claimed: list[Claimed]) -> None:
        due_at: dict[UUID, list[datetime]] = {}
        for it in claimed:
            due_at.setdefault(it.endpoint_id, []).append(it.due_at)
        for key in asked:
            found = due_at.get(key, ())
            self._lanes.move_to_end(key).on_claimed(len(found), max(found, default=None), self._clock.now())
