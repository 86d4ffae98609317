"""The lanes of one drain on the real tables: what it keeps, what it loses, and what it knows when it has them again."""

from datetime import timedelta
from typing import Any

import pytest

from delivery.models import Lane
from delivery.sending import leased_lanes
from delivery.sending.clock import Clock
from delivery.sending.lane import LeasedLane
from delivery.sending.leased_lanes import LeasedLanes
from delivery.sql.lanes import lease_lanes
from subscriptions.endpoints.endpoints import enable
from tests.delivery.sql.factories_ledger import OTHER, make_lane, now, owe
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def renews_whenever_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leased_lanes, "RENEW_EVERY", 0.0)


def held(lanes: LeasedLanes) -> LeasedLane:
    """The one lane there is."""
    (lane,) = lanes
    return lane


def leasing(**endpoint: Any) -> LeasedLanes:
    """A drain with a lane that has attempts under way."""
    make_lane(make_endpoint(**endpoint), due_at=now())
    lanes = LeasedLanes(Clock())
    lanes.lease()
    held(lanes).in_flight = 3
    return lanes


def let_the_lease_run_out() -> None:
    Lane.objects.update(due_at=now() - timedelta(seconds=1))


def test_whoever_was_away_goes_on_with_the_lanes_that_nobody_took() -> None:
    lanes = leasing()
    mine = held(lanes)
    let_the_lease_run_out()
    lanes.renew()
    lanes.lane_available = True
    lanes.lease()
    assert held(lanes) is mine
    assert mine.in_flight == 3


def test_a_lane_that_another_took_is_lost() -> None:
    lanes = leasing()
    let_the_lease_run_out()
    assert lease_lanes(OTHER, 1) is not None
    lanes.renew()
    assert list(lanes) == []


def test_what_was_under_way_in_a_lost_lane_counts_when_it_is_leased_again() -> None:
    lanes = leasing()
    endpoint_id = held(lanes).target.endpoint_id
    let_the_lease_run_out()
    lease_lanes(OTHER, 1)
    lanes.renew()
    lanes.on_orphaned_attempt_ended(endpoint_id)
    Lane.objects.update(owner=None, due_at=now())
    lanes.lane_available = True
    lanes.lease()
    assert held(lanes).in_flight == 2
    for _ in range(2):
        lanes.on_orphaned_attempt_ended(endpoint_id)  # of a third lease nobody is told


def test_a_lane_that_was_not_given_back_has_spent_all_its_rate_allows() -> None:
    """Its last owner may have sent what it never stored."""
    endpoint = make_endpoint(rate_limit=1, rate_period="minute", rate_burst=5)
    make_lane(endpoint, owner=OTHER, due_at=now() - timedelta(seconds=1))
    clock = Clock()
    lanes = LeasedLanes(clock)
    lanes.lease()
    assert held(lanes).capacity(clock.now()) == 0
    assert held(lanes).capacity(clock.now() + 61) == 1


def test_the_clock_is_the_databases() -> None:
    clock = Clock()
    clock.set(now() - timedelta(days=1))
    make_lane(make_endpoint(), due_at=now())
    lanes = LeasedLanes(clock)
    lanes.lease()
    assert abs(clock.now() - now().timestamp()) < 3600
    clock.set(now() + timedelta(days=1))
    lanes.renew()
    assert abs(clock.now() - now().timestamp()) < 3600


def test_an_endpoint_that_is_switched_on_again_is_not_buried_any_further() -> None:
    endpoint = make_endpoint(state="disabled", disabled_reason="gone")
    make_lane(endpoint, due_at=now())
    (delivery,) = owe(endpoint)
    lanes = LeasedLanes(Clock())
    lanes.lease()
    assert lanes.has_undeliverable
    enable(endpoint)
    lanes.maintain()
    assert not lanes.has_undeliverable
    delivery.refresh_from_db()
    assert delivery.state == "pending"


def test_a_tenant_has_its_share_of_the_lanes_however_often_it_is_leased(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leased_lanes, "MAX_ACTIVE_LANES", 8)
    monkeypatch.setattr(leased_lanes, "MAX_LANES_PER_TENANT", 6)
    crowd = make_tenant()
    lanes = LeasedLanes(Clock())
    for round in range(3):
        for _ in range(4):
            make_lane(make_endpoint(crowd), due_at=now())
        lanes.lane_available = True
        lanes.lease()
        assert len(list(lanes)) == min(4 * (round + 1), 6)
        assert lanes.is_contended == (round > 0)
    quiet = make_lane(make_endpoint(), due_at=now())
    lanes.lane_available = True
    lanes.lease()
    assert lanes.get(quiet.endpoint_id) is not None
