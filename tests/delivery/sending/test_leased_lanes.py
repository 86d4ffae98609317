"""The leased lanes of one drain on the real tables."""

from datetime import timedelta
from typing import Any

import pytest

from delivery.models import Lane
from delivery.sending import leased_lanes
from delivery.sending.clock import Clock
from delivery.sending.lane import LeasedLane
from delivery.sending.leased_lanes import LeasedLanes
from delivery.sql.lanes import lease_lanes
from subscriptions.endpoints.state import enable
from tests.delivery.sql.factories import OTHER, make_deliveries, make_lane, now
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def renew_at_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leased_lanes, "RENEW_EVERY", 0.0)


def held(lanes: LeasedLanes) -> LeasedLane:
    """Return the only leased lane."""
    (lane,) = lanes
    return lane


def leasing(**endpoint: Any) -> LeasedLanes:
    """Lease a lane, with attempts in flight."""
    make_lane(make_endpoint(**endpoint), due_at=now())
    lanes = LeasedLanes(Clock())
    lanes.lease()
    held(lanes).in_flight = 3
    return lanes


def expire_lease() -> None:
    Lane.objects.update(due_at=now() - timedelta(seconds=1))


def test_renew_keeps_leases_that_no_other_worker_took() -> None:
    lanes = leasing()
    mine = held(lanes)
    expire_lease()
    lanes.renew()
    lanes.lane_available = True
    lanes.lease()
    assert held(lanes) is mine
    assert mine.in_flight == 3


def test_renew_drops_a_lane_that_another_worker_leased() -> None:
    lanes = leasing()
    expire_lease()
    assert lease_lanes(OTHER, 1) is not None
    lanes.renew()
    assert list(lanes) == []


def test_orphaned_attempts_count_when_the_lane_is_leased_again() -> None:
    lanes = leasing()
    endpoint_id = held(lanes).target.endpoint_id
    expire_lease()
    lease_lanes(OTHER, 1)
    lanes.renew()
    lanes.on_orphaned_attempt_ended(endpoint_id)
    Lane.objects.update(owner=None, due_at=now())
    lanes.lane_available = True
    lanes.lease()
    assert held(lanes).in_flight == 2
    for _ in range(2):
        lanes.on_orphaned_attempt_ended(endpoint_id)  # more often than counted, which must do no harm


def test_lane_leased_after_a_crash_has_no_tokens() -> None:
    """Assume that the last owner sent more than it stored."""
    endpoint = make_endpoint(rate_limit=1, rate_period="minute", rate_burst=5)
    make_lane(endpoint, owner=OTHER, due_at=now() - timedelta(seconds=1))
    clock = Clock()
    lanes = LeasedLanes(clock)
    lanes.lease()
    assert held(lanes).capacity(clock.now()) == 0
    assert held(lanes).capacity(clock.now() + 61) == 1


def test_lease_and_renew_set_the_clock_to_the_database() -> None:
    clock = Clock()
    clock.set(now() - timedelta(days=1))
    make_lane(make_endpoint(), due_at=now())
    lanes = LeasedLanes(clock)
    lanes.lease()
    assert abs(clock.now() - now().timestamp()) < 3600
    clock.set(now() + timedelta(days=1))
    lanes.renew()
    assert abs(clock.now() - now().timestamp()) < 3600


def test_enabled_endpoint_is_no_longer_dead_lettered() -> None:
    endpoint = make_endpoint(state="disabled", disabled_reason="responded_410")
    make_lane(endpoint, due_at=now())
    (delivery,) = make_deliveries(endpoint)
    lanes = LeasedLanes(Clock())
    lanes.lease()
    assert lanes.has_undeliverable
    enable(endpoint)
    lanes.maintain()
    assert not lanes.has_undeliverable
    delivery.refresh_from_db()
    assert delivery.state == "pending"


def test_lease_keeps_each_tenant_below_its_share_of_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leased_lanes, "MAX_ACTIVE_LANES", 8)
    monkeypatch.setattr(leased_lanes, "MAX_LANES_PER_TENANT", 6)
    large = make_tenant()
    lanes = LeasedLanes(Clock())
    for round in range(3):
        for _ in range(4):
            make_lane(make_endpoint(large), due_at=now())
        lanes.lane_available = True
        lanes.lease()
        assert len(list(lanes)) == min(4 * (round + 1), 6)
        assert lanes.is_contended == (round > 0)
    small = make_lane(make_endpoint(), due_at=now())
    lanes.lane_available = True
    lanes.lease()
    assert lanes.get(small.endpoint_id) is not None
