"""How many attempts of a lane are started at once: few where many lanes are sent, since each needs a connection."""

from datetime import timedelta

import pytest

from delivery.lanes.clock import Clock
from delivery.lanes.leased_lanes import LeasedLanes
from delivery.sending import dispatch
from delivery.sending.dispatch import Dispatcher
from delivery.sql.claim import claim_deliveries
from delivery.transports.outcome import Outcome
from delivery.transports.registry import Transports
from tests.delivery.sql.factories import make_deliveries, make_lane, now
from tests.factories import make_endpoint
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def lanes() -> LeasedLanes:
    """Lease four lanes with ten deliveries each."""
    for _ in range(4):
        make_deliveries(make_lane(make_endpoint(), due_at=now()).endpoint, 10)
    found = LeasedLanes(Clock())
    found.lease()
    assert len(found) == 4
    return found


@pytest.fixture
def dispatcher(lanes: LeasedLanes) -> Dispatcher:
    """Hold all that is due in the lanes."""
    clock = Clock()
    dispatcher, token = Dispatcher(Transports(clock.now), lanes, clock, 1_000), new_id()
    claimed = claim_deliveries(token, [lane.claim_request(10) for lane in lanes])
    assert len(claimed) == 40
    dispatcher.hold(claimed, token, 1e12)
    return dispatcher


def test_each_of_many_lanes_begins_with_one_attempt(
    lanes: LeasedLanes, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = dispatcher._clock.now()
    assert [dispatcher.useful(lane, moment) for lane in lanes] == [64] * 4
    monkeypatch.setattr(dispatch, "ENOUGH_IN_FLIGHT", 4)  # as with a hundred times as many lanes
    assert [dispatcher.useful(lane, moment) for lane in lanes] == [1] * 4


def test_lane_without_attempts_has_no_response_to_wait_for(
    lanes: LeasedLanes, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "ENOUGH_IN_FLIGHT", 4)
    lane, *_ = lanes
    moment = dispatcher._clock.now() + 5  # what the drain did meanwhile took long
    assert dispatcher.useful(lane, moment) == 1
    lane.on_started(1, moment - 5)
    assert dispatcher.useful(lane, moment) > 5  # its endpoint takes long to respond


def test_more_lanes_have_more_time_for_what_waits(
    lanes: LeasedLanes, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "ENOUGH_IN_FLIGHT", 4)
    lane, *_ = lanes
    moment = dispatcher._clock.now()
    lane.on_started(1, moment)
    lane.on_attempt_ended(Outcome(moment, 20, 200), moment)
    assert dispatcher.useful(lane, moment) == 4  # 10 responses of 20 ms within 50 ms
    monkeypatch.setattr(dispatch, "FEW_LANES", 1)
    assert dispatcher.useful(lane, moment) == 1  # within 200 ms


def test_drain_that_finds_many_lanes_due_leases_more_at_once() -> None:
    for number in range(100):
        make_lane(make_endpoint(), due_at=now() - timedelta(seconds=number))
    found = LeasedLanes(Clock())
    leased = []
    while found.lane_available:
        found.lease()
        leased.append(len(found))
    assert leased == [32, 96, 100]
