"""Tell publishers which lanes they may claim for: deliveries are then created claimed (docs/why/lanes.md)."""

from collections.abc import Callable, Mapping
from uuid import UUID

from delivery.lanes.clock import Clock
from delivery.lanes.lane import LeasedLane
from delivery.sql.lanes import let_publishers_claim

UPDATE_EVERY = 0.1  # seconds between two looks at which lanes publishers may claim for


class ClaimPermissions:
    """For which of the leased lanes of one drain publishers may claim.

    ``is_notified``: a notification has come, so that others will.
    """

    def __init__(self, owner: UUID, lanes: Mapping[UUID, LeasedLane], clock: Clock) -> None:
        self.is_notified = False
        self._owner = owner
        self._lanes = lanes
        self._clock = clock

    @property
    def are_given(self) -> bool:
        """Whether publishers claim for any of the lanes."""
        return any(lane.publishers_claim for lane in self._lanes.values())

    def update(
        self, may_send: Callable[[LeasedLane], bool], count_held: Callable[[UUID], int], *, is_ending: bool
    ) -> None:
        """Have publishers claim deliveries of the lanes for which this drain can send them at once, and of no others.

        A drain that gets no notifications, as through a pooler in transaction mode, claims all of them itself.
        ``count_held``: how many deliveries of an endpoint the drain holds. ``is_ending``: the drain sends nothing more.
        """
        if not (self._clock.is_due("publishers", UPDATE_EVERY) or is_ending):
            return
        now = self._clock.now()
        changed: dict[UUID, bool] = {}
        for endpoint_id, lane in self._lanes.items():
            wants = (
                self.is_notified
                and not is_ending
                and may_send(lane)
                and lane.wants_claims(count_held(endpoint_id), now)
            )
            if wants != lane.publishers_claim:
                changed[endpoint_id] = wants
        if changed:
            for endpoint_id in changed:  # until the statement has certainly ended
                self._lanes[endpoint_id].publishers_claim = True
            let_publishers_claim(self._owner, changed)
            for endpoint_id, wants in changed.items():
                self._lanes[endpoint_id].publishers_claim = wants
