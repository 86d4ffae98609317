"""Find the deliveries that succeeded whose result may be received, without a statement for the others."""

from collections.abc import Sequence
from uuid import UUID

from delivery.lanes.clock import Clock
from delivery.lanes.leased_lanes import LeasedLanes
from delivery.models import Delivery
from delivery.sql.results import Subscribers, find_subscribers
from delivery.sql.settle import Settlement

ASK_EVERY = 1.0  # seconds between two readings of who subscribes to deliveries that succeeded
NO_SUBSCRIBERS = Subscribers(frozenset(), False)


class SuccessResults:
    """Know from the leased lanes which endpoints name another in ``on_success``, and once a second who subscribes.

    So an endpoint without results costs a comparison in memory for each delivery, and a drain one statement a second.
    """

    def __init__(self, lanes: LeasedLanes, clock: Clock) -> None:
        self._lanes = lanes
        self._clock = clock
        self._subscribers = NO_SUBSCRIBERS

    def may_have_results(self, settlements: Sequence[Settlement]) -> set[UUID]:
        """Return the deliveries that succeed whose result may be received; the statement that stores it decides."""
        if self._clock.is_due("subscribers", ASK_EVERY):
            self._subscribers = find_subscribers()
        known: dict[UUID, bool] = {}
        for it in settlements:
            if it.endpoint_id not in known:
                known[it.endpoint_id] = self._may_have_of(it.endpoint_id)
        if not any(known.values()):
            return set()
        return {it.delivery_id for it in settlements if it.state == Delivery.State.DELIVERED and known[it.endpoint_id]}

    def _may_have_of(self, endpoint_id: UUID) -> bool:
        lane = self._lanes.get(endpoint_id)
        if lane is None:  # the lease was lost, so its target is not known here
            return True
        return (
            lane.target.has_on_success
            or self._subscribers.has_platform
            or lane.target.tenant_id in self._subscribers.tenants
        )
