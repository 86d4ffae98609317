"""Change many deliveries of a lane in batches, one in each turn of a drain, so that sending goes on in between.

Three things take batches: the deliveries of an endpoint that cannot get any are dead-lettered; retries that wait
because of an outage are made due when it is over; and deliveries that were due by the clock before it went back.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from delivery.lanes.clock import Clock
from delivery.lanes.lane import LeasedLane
from delivery.lanes.lane_rows import instant
from delivery.operational.dead_letters import dead_letter_pending
from delivery.sql.claim import EPOCH
from delivery.sql.keyed.supersede import supersede_older
from delivery.sql.recovery.clock_steps import bring_deliveries_forward
from delivery.sql.recovery.outages import Outage, retry_after_outage

SUPERSEDE_EVERY = 0.5  # seconds between two looks at what is superseded in lanes that may send nothing
DEAD_LETTER_BATCH = 200  # deliveries dead-lettered in one turn


class LaneBatches:
    """Hold what is still to be done in batches, by endpoint. ``lanes``: those that the drain has leased."""

    def __init__(self, clock: Clock, lanes: Mapping[UUID, LeasedLane]) -> None:
        self._clock = clock
        self._lanes = lanes
        self._undeliverable: dict[UUID, tuple[str, datetime]] = {}  # the cause, and what is due before was looked at
        self._of_old_clock: dict[UUID, None] = {}  # lanes with deliveries that are due by the clock before
        self._recovering: dict[UUID, datetime] = {}  # lanes whose retries are made due: up to when they were looked at
        self._old_clock_until = 0.0  # unix seconds: the clock before it went back

    def __bool__(self) -> bool:
        return bool(self._undeliverable or self._of_old_clock or self._recovering)

    @property
    def undeliverable(self) -> list[UUID]:
        """Return the endpoints whose deliveries are still to be dead-lettered."""
        return list(self._undeliverable)

    def dead_letter(self, causes: Mapping[UUID, str]) -> None:
        """Dead-letter all pending deliveries of these endpoints, each for its cause."""
        for endpoint_id, cause in causes.items():
            _, after = self._undeliverable.get(endpoint_id, (cause, EPOCH))
            self._undeliverable[endpoint_id] = (cause, after)

    def keep(self, endpoint_ids: Iterable[UUID]) -> None:
        """Dead-letter nothing more of these endpoints, which get deliveries again."""
        for endpoint_id in endpoint_ids:
            self._undeliverable.pop(endpoint_id, None)

    def on_leased(self, lane: LeasedLane) -> None:
        """Continue in a new lane what its last owner has not finished."""
        self.on_outage_ended(lane)
        if self._clock.now() < self._old_clock_until:
            self._of_old_clock[lane.target.endpoint_id] = None

    def on_outage_ended(self, lane: LeasedLane) -> None:
        """Make the deliveries due that wait because of an outage, if one of the lane's endpoint is over."""
        if lane.recovering_since is not None:
            self._recovering.setdefault(lane.target.endpoint_id, EPOCH)

    def on_clock_went_back(self, seconds: float) -> None:
        """Make the deliveries of all lanes due that were due by the clock before."""
        self._old_clock_until = self._clock.now() + seconds
        self._of_old_clock |= dict.fromkeys(self._lanes)

    def run(self) -> None:
        """Do one batch of each kind."""
        if self._clock.is_due("supersede", SUPERSEDE_EVERY):
            self._supersede()
        if self._undeliverable:
            self._dead_letter()
        if self._of_old_clock:
            self._bring_forward()
        if self._recovering:
            self._retry()

    def _supersede(self) -> None:
        """Supersede older deliveries that wait in lanes which may send nothing now; others do it before each claim."""
        now = self._clock.now()
        for lane in self._lanes.values():
            if lane.superseding is not None and not lane.capacity(now) and (request := lane.supersede_request()):
                supersede_older(request)

    def _dead_letter(self) -> None:
        endpoint_id, (cause, after) = next(iter(self._undeliverable.items()))
        with transaction.atomic():
            until = dead_letter_pending(endpoint_id, cause, after, DEAD_LETTER_BATCH)
        del self._undeliverable[endpoint_id]
        if until is not None or after != EPOCH:  # at the end, those are looked for that were locked or came late
            self._undeliverable[endpoint_id] = (cause, until or EPOCH)  # behind those of other endpoints

    def _bring_forward(self) -> None:
        endpoint_id = next(iter(self._of_old_clock))
        left = self._old_clock_until - self._clock.now()
        if left <= 0 or not bring_deliveries_forward(endpoint_id, left):
            del self._of_old_clock[endpoint_id]
        if (lane := self._lanes.get(endpoint_id)) is not None:
            lane.may_have_more = True

    def _retry(self) -> None:
        """Make retries of one lane due. If it is not leased any more, its next owner begins again."""
        endpoint_id, after = next(iter(self._recovering.items()))
        del self._recovering[endpoint_id]
        lane = self._lanes.get(endpoint_id)
        if lane is None or lane.recovering_since is None:
            return
        since, until = lane.recovering_since, lane.recovered_until
        looked_at = retry_after_outage(
            endpoint_id, Outage(instant(since), instant(until), after, include_others=not since)
        )
        if looked_at is None:
            lane.recovering_since = None
            return
        self._recovering[endpoint_id], count = looked_at  # behind those of other endpoints
        if count:
            lane.on_notified(self._clock.now())
