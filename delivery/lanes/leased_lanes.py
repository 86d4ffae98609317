"""Lease lanes for one drain, renew the leases while they are used, and release them while other lanes are due.

How much a lane may send is decided in ``lane``. A lease lasts LEASE_SECONDS (10) and is renewed every RENEW_EVERY
(a third of that). A drain that has stalled, or whose database was away, renews first: lanes that were not renewed may
have another owner by now, and get nothing more from this drain.

After the death of a drain its leases run out, and another drain leases the lanes. Its claims expire later, each after
the endpoint's timeout and CLAIM_GRACE; ``recover`` in delivery/lifecycle/sweep.py voids them and makes their deliveries
pending again.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from uuid import UUID

from delivery import telemetry
from delivery.lanes.claim_permissions import ClaimPermissions
from delivery.lanes.clock import Clock
from delivery.lanes.lane import LeasedLane
from delivery.lanes.lane_batches import LaneBatches
from delivery.lanes.lane_rows import lane_from_row, row_of, shift
from delivery.sql.due import notify_lane_available, recheck_due
from delivery.sql.lanes import LEASE_SECONDS, LeaseResult, find_next_due, lease_lanes, release_lanes, renew_lanes
from delivery.sql.recovery.clock_steps import bring_claims_forward, bring_lanes_forward
from delivery.sql.recovery.outages import find_newest_due, make_probes_due
from delivery.transports.outcome import Outcome
from subscriptions.routing.targets import DeliveryTarget, load_targets
from webhooks.wire.ids import new_id

MAX_ACTIVE_LANES = 512  # lanes leased by one drain, not counting stuck ones, so that hanging endpoints take no place
MAX_LANES = 2_048  # lanes leased by one drain, stuck ones included: a limit on memory
MAX_LANES_PER_TENANT = 384  # stuck ones included, so that other tenants always find a place
LEASED_AT_ONCE = 32  # lanes leased in one turn, so that drains which are notified together share them
MOST_AT_ONCE = 256  # lanes leased in one turn at most, reached when the turns before found more than they leased
PART_LEFT = 0.25  # part of the lanes with deliveries that a busy drain leaves at a time to one with more time
LEFT_FOR = 0.05  # seconds in which a drain that has left lanes to another leases nothing, so that the other does
STUCK_AFTER = 1.0  # seconds: a lane with attempts in flight is stuck if none has started or ended for so long
KEEP_IDLE = 5.0  # seconds an empty lane is kept, so that the lane of a busy endpoint is not written again and again
YIELD_AFTER = 2.0  # seconds after which a lane is released while more lanes are due than the drain can lease
RELEASE_EVERY = 0.02  # seconds between two checks for lanes to release
RENEW_EVERY = LEASE_SECONDS / 3  # seconds
REFRESH_EVERY = 1.0  # seconds between two readings of the endpoints of the leased lanes
LOOK_AHEAD_EVERY = 1.0  # seconds between two readings of the database's clock, and of when the next lane is due
POLL_EVERY = 0.25  # seconds between two checks for due lanes and deliveries without a notification


class LeasedLanes:
    """Hold the leased lanes of one drain, in the order in which they are asked for deliveries.

    ``lane_available``: a lane may be there to lease, as a notification said. ``is_contended``: more lanes are due than
    this drain has places for. ``is_ending``: the drain sends nothing more, so each lane is released once its attempts
    have ended, and other drains are notified. ``next_due_at``: seconds of the clock at which the next lane is due, read
    while none is; 0: not known; infinite: no lane. ``claim_permissions``: for which of the lanes publishers may claim.
    """

    def __init__(self, clock: Clock, owner: UUID | None = None) -> None:
        self.owner = owner or new_id()
        self.lane_available = True
        self.is_contended = False
        self.is_ending = False
        self.next_due_at = 0.0
        self.count_held: Callable[[UUID], int] = lambda _: 0  # how many deliveries of an endpoint this drain holds
        self._is_crowded = False  # more lanes are due than one statement looks at
        self._at_once = LEASED_AT_ONCE
        self._clock = clock
        self._lanes: dict[UUID, LeasedLane] = {}
        self._orphaned_attempts: Counter[UUID] = Counter()  # by endpoint: attempts in flight of lanes that were lost
        self.batches = LaneBatches(clock, self._lanes)
        self.claim_permissions = ClaimPermissions(self.owner, self._lanes, clock)
        self._leaving: set[UUID] = set()  # endpoints of lanes that are left to other drains
        self._lease_after = 0.0  # monotonic seconds: until then other drains may lease what this one has left
        self._renewed_at = time.monotonic()

    def __iter__(self) -> Iterator[LeasedLane]:
        return iter(self._lanes.values())

    def __len__(self) -> int:
        return len(self._lanes)

    def get(self, endpoint_id: UUID) -> LeasedLane | None:
        """Return the lane of an endpoint if it is leased."""
        return self._lanes.get(endpoint_id)

    def target_of(self, endpoint_id: UUID) -> DeliveryTarget:
        """Return the target of a leased lane."""
        return self._lanes[endpoint_id].target

    def move_to_end(self, endpoint_id: UUID) -> LeasedLane:
        """Return a lane that has just been asked for deliveries, after placing it behind the others."""
        self._lanes[endpoint_id] = lane = self._lanes.pop(endpoint_id)
        return lane

    @property
    def leased_until(self) -> float:
        """Return until when the lanes are certainly leased, in monotonic seconds."""
        return self._renewed_at + LEASE_SECONDS

    @property
    def may_have_work(self) -> bool:
        """Whether deliveries may be due that are not claimed, or lanes for which there is no place."""
        return bool(self.is_contended or self.batches or any(lane.may_have_more for lane in self))

    def renew(self) -> None:
        """Renew the leases and drop the lanes that have another owner. Call before every claim."""
        began = time.monotonic()
        if began - self._renewed_at < RENEW_EVERY:
            return
        renewed = renew_lanes(self.owner, [row_of(lane) for lane in self])
        self._renewed_at = began
        if renewed.now is not None:
            self._set_clock(renewed.now, began)
        for endpoint_id in self._lanes.keys() - renewed.held:
            self._orphaned_attempts[endpoint_id] += self._lanes.pop(endpoint_id).in_flight
            self._leaving.discard(endpoint_id)

    def lease(self) -> None:
        """Lease due lanes as far as there are places: LEASED_AT_ONCE at first, so that other drains get some too.

        As long as so many were due, the next turn leases twice as many, up to MOST_AT_ONCE.
        """
        if time.monotonic() < self._lease_after or not (self.lane_available or self._clock.is_due("lease", POLL_EVERY)):
            return
        self.next_due_at = 0.0 if self.lane_available else self.next_due_at  # a lane may be due later, after a pause
        self.lane_available = False
        places = self._free_places()
        limit = min(places, self._at_once)
        asked_at = time.monotonic()
        leased: LeaseResult | None = None
        taken = count = 0
        for one_of_each_tenant in (True, False) if self._is_crowded else (False,):
            if (left := limit - count) > 0:
                leased = lease_lanes(
                    self.owner,
                    left,
                    max_per_tenant=MAX_LANES_PER_TENANT,
                    held=self._by_tenant(),
                    one_of_each_tenant=one_of_each_tenant,
                )
            if leased is not None:
                taken += len(leased.lanes)
                count += leased.changed
                self._set_clock(leased.now, asked_at)
                self._add(leased)
        self._is_crowded = leased is not None and leased.is_crowded
        if leased is None and self._clock.is_due("look ahead", LOOK_AHEAD_EVERY):
            now, due_at = find_next_due()
            self._set_clock(now, asked_at)
            self.next_due_at = math.inf if due_at is None else due_at.timestamp()
        has_more = 0 < limit <= count
        self._at_once = min(self._at_once * 2, MOST_AT_ONCE) if has_more else LEASED_AT_ONCE
        if has_more and taken < places:
            self.lane_available = True  # others may be due
            return
        is_full = places <= 0 or taken == places
        self.is_contended = is_full or max(self._by_tenant().values(), default=0) >= MAX_LANES_PER_TENANT

    def seconds_to_lease(self) -> float:
        """Return in how many seconds an available lane may be leased; infinity if none is known to be available."""
        return self._lease_after - time.monotonic() if self.lane_available else math.inf

    def _add(self, leased: LeaseResult) -> None:
        self.batches.dead_letter(leased.undeliverable)
        known = load_targets(row.endpoint_id for row in leased.lanes)
        half_open: dict[UUID, bool] = {}
        for row in leased.lanes:
            target = known.get(row.endpoint_id)
            if target is not None and row.endpoint_id not in self._lanes:
                self._lanes[row.endpoint_id] = lane = lane_from_row(row, target, self._clock.now())
                self.batches.on_leased(lane)
                lane.in_flight = lane.stale_in_flight = self._orphaned_attempts.pop(row.endpoint_id, 0)
                if lane.breaker.is_half_open(self._clock.now()):
                    half_open[row.endpoint_id] = target.is_ordered
        self._choose_probes(half_open)

    def _choose_probes(self, half_open: dict[UUID, bool]) -> None:
        """Choose the probe of each lane, given whether it is ordered: in turns the oldest and the newest delivery."""
        make_probes_due(half_open)
        newest = [
            key for key, is_ordered in half_open.items() if not is_ordered and self._lanes[key].breaker.probes_newest
        ]
        for endpoint_id, due_at in find_newest_due(newest).items():
            self._lanes[endpoint_id].probe_from = due_at

    def _set_clock(self, now: datetime, asked_at: float) -> None:
        back = self._clock.set(now, asked_at)
        if not back:
            return
        telemetry.clock_went_back(back)
        for lane in self:
            shift(lane, -back)
        self.batches.on_clock_went_back(back)
        bring_lanes_forward(back)
        bring_claims_forward(back)
        self.lane_available = True

    def is_overdue(self, endpoint_id: UUID, outcome: Outcome) -> bool:
        """Return whether a failed attempt is to be repeated at once: an outage has ended since it began."""
        lane = self._lanes.get(endpoint_id)
        return lane is not None and lane.is_overdue(outcome)

    def _free_places(self) -> int:
        stuck_before = self._clock.now() - STUCK_AFTER
        stuck = sum(lane.in_flight > 0 and lane.last_active_at < stuck_before for lane in self)
        return min(MAX_ACTIVE_LANES + stuck, MAX_LANES) - len(self._lanes)

    def _by_tenant(self) -> Counter[UUID]:
        return Counter(lane.target.tenant_id for lane in self)

    def maintain(self) -> None:
        """Refresh endpoints, run a batch of each kind, release lanes that are not needed."""
        if self._clock.is_due("refresh", REFRESH_EVERY):
            self.refresh()
        self.batches.run()
        if self._clock.is_due("release", RELEASE_EVERY):
            self.release([lane for lane in self if self._is_releasable(lane)])

    def refresh(self) -> None:
        """Apply the current settings of the endpoints of all leased lanes; keep deliveries of re-enabled endpoints.

        Lanes that are half-open get a probe, as the attempts that were in flight when the breaker opened may hang.
        """
        if not (self._lanes or self.batches.undeliverable):
            return
        known = load_targets([*self._lanes, *self.batches.undeliverable])
        now = self._clock.now()
        to_probe: dict[UUID, bool] = {}
        for endpoint_id, lane in self._lanes.items():
            lane.refresh(known.get(endpoint_id), now)
            self.batches.on_outage_ended(lane)
            if lane.breaker.is_half_open(now) and lane.capacity(now):
                to_probe[endpoint_id] = lane.heads is not None
                lane.on_notified(now)
        self._choose_probes(to_probe)
        self.batches.keep(key for key, target in known.items() if target.is_active)

    def _is_releasable(self, lane: LeasedLane) -> bool:
        if lane.in_flight or lane.unsettled:
            return False
        now = self._clock.now()
        if self.is_ending or lane.is_blocked(now) or self.must_yield(lane):
            return True
        if lane.may_have_more or self.count_held(lane.target.endpoint_id):
            return False
        return self.is_contended or now - lane.last_active_at > KEEP_IDLE

    def must_yield(self, lane: LeasedLane) -> bool:
        """Return whether a lane gets nothing more and is released once its attempts have ended."""
        if lane.target.endpoint_id in self._leaving:
            return True
        return self.is_contended and self._clock.now() - lane.leased_at > YIELD_AFTER

    def leave_some(self) -> None:
        """Leave PART_LEFT of the lanes with deliveries to other drains: those with the fewest attempts in flight."""
        lanes = sorted((it for it in self if it.may_have_more and it.ends_soon()), key=lambda it: it.in_flight)
        count = math.ceil(len(lanes) * PART_LEFT) if len(lanes) > 1 else 0
        self._leaving = {lane.target.endpoint_id for lane in lanes[:count]}

    def on_orphaned_attempt_ended(self, endpoint_id: UUID) -> None:
        """Record the end of an attempt whose lane was lost."""
        self._orphaned_attempts[endpoint_id] -= 1
        if self._orphaned_attempts[endpoint_id] <= 0:
            del self._orphaned_attempts[endpoint_id]

    def release(self, lanes: list[LeasedLane]) -> None:
        """Release these lanes, then mark those due that have pending deliveries after all."""
        if not lanes:
            return
        for lane in lanes:
            del self._lanes[lane.target.endpoint_id]
        release_lanes(self.owner, [row_of(lane) for lane in lanes])
        count = self._recheck_due(lane.target.endpoint_id for lane in lanes)
        has_left = not self._leaving.isdisjoint(it.target.endpoint_id for it in lanes)
        self._leaving -= {it.target.endpoint_id for it in lanes}
        if has_left:
            self._lease_after = time.monotonic() + LEFT_FOR
        if count and (has_left or self.is_ending):
            notify_lane_available()
        if self.is_contended:
            self.lane_available = True  # places have become free

    def recheck_unleased(self, endpoint_ids: Iterable[UUID]) -> None:
        """Mark the lanes of these endpoints due that have pending deliveries and are not leased here."""
        unleased = [endpoint_id for endpoint_id in endpoint_ids if endpoint_id not in self._lanes]
        if unleased and self._recheck_due(unleased):
            self.lane_available = True
            if self.is_ending:
                notify_lane_available()

    def _recheck_due(self, endpoint_ids: Iterable[UUID]) -> int:
        self.next_due_at = 0.0
        return recheck_due(list(endpoint_ids))

    def release_all(self) -> None:
        """Release every lane; the next drain dead-letters what is left to dead-letter."""
        recheck_due(self.batches.undeliverable)
        self.release(list(self))
