"""Find the deliveries that succeeded whose result may be received, without a statement for the others."""

from collections.abc import Sequence
from uuid import UUID

from delivery.lanes.clock import Clock
from delivery.lanes.leased_lanes import LeasedLanes
from delivery.models import Delivery
from delivery.sql.results import Subscribers, find_subscribers
from delivery.sql.settle import Settlement
from delivery.transports.in_flight import InFlight

ASK_EVERY = 1.0  # seconds between two readings of who subscribes to deliveries that succeeded
NO_SUBSCRIBERS = Subscribers(frozenset(), False)


class SuccessResults:
    """Know from the leased lanes which endpoints name another in ``on_success``, and once a second who subscribes.

    Of an endpoint whose lane is leased no more, the attempt knows it. So an endpoint without results costs a comparison
    in memory for each delivery, and a drain one statement a second.
    """

    def __init__(self, lanes: LeasedLanes, clock: Clock) -> None:
        self._lanes = lanes
        self._clock = clock
        self._subscribers = NO_SUBSCRIBERS

    def may_have_results(self, attempts: Sequence[InFlight], settlements: Sequence[Settlement]) -> set[UUID]:
        """Return the deliveries that succeed whose result may be received; the statement that stores it decides.

        ``attempts``: those that are settled, in the same order.
        """
        if self._clock.is_due("subscribers", ASK_EVERY):
            self._subscribers = find_subscribers()
        known: dict[UUID, bool] = {}
        for it in attempts:
            if it.claimed.endpoint_id not in known:
                known[it.claimed.endpoint_id] = self._may_have(it)
        if not any(known.values()):
            return set()
        return {it.delivery_id for it in settlements if it.state == Delivery.State.DELIVERED and known[it.endpoint_id]}

    def _may_have(self, attempt: InFlight) -> bool:
        lane = self._lanes.get(attempt.claimed.endpoint_id)
        if lane is not None:
            return lane.target.has_on_success or self._is_subscriber(lane.target.tenant_id)
        if attempt.has_on_success is None or attempt.tenant_id is None:
            return True
        return attempt.has_on_success or self._is_subscriber(attempt.tenant_id)

    def _is_subscriber(self, tenant_id: UUID) -> bool:
        return self._subscribers.has_platform or tenant_id in self._subscribers.tenants
