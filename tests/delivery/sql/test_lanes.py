"""Leasing, renewing and releasing lanes."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from delivery.models import Lane
from delivery.sql.lanes import LEASE_SECONDS, lease_lanes, release_lanes, renew_lanes
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.endpoints.state import disable, pause
from subscriptions.tenants.tenants import delete_tenant
from tests.delivery.sql.factories import (
    HOUR,
    OTHER,
    OWNER,
    lane_row,
    make_lane,
    now,
)
from tests.factories import make_endpoint, make_tenant


@pytest.mark.django_db
class TestLease:
    def test_lease_returns_a_due_lane_once(self) -> None:
        lane = make_lane(due_at=now())
        leased = lease_lanes(OWNER, 10)
        assert leased is not None
        assert [it.endpoint_id for it in leased.lanes] == [lane.endpoint_id]
        assert leased.now == now()
        assert lease_lanes(OTHER, 10) is None
        lane.refresh_from_db()
        assert (lane.owner, lane.due_at) == (OWNER, now() + timedelta(seconds=LEASE_SECONDS))

    @pytest.mark.parametrize("due_in", [None, HOUR])
    def test_lease_skips_lanes_that_are_not_due(self, due_in: timedelta | None) -> None:
        make_lane(due_at=due_in and now() + due_in)
        assert lease_lanes(OWNER, 10) is None

    def test_lease_takes_over_an_expired_lease(self) -> None:
        lane = make_lane(owner=OTHER, due_at=now() - timedelta(seconds=1))
        leased = lease_lanes(OWNER, 10)
        assert leased is not None
        lane.refresh_from_db()
        assert lane.owner == OWNER
        assert leased.lanes[0].previous_lease_expired

    def test_lease_takes_the_longest_due_first(self) -> None:
        lanes = [make_lane(due_at=now() - n * HOUR) for n in (1, 3, 2)]
        leased = lease_lanes(OWNER, 2)
        assert leased is not None
        assert {it.endpoint_id for it in leased.lanes} == {lanes[1].endpoint_id, lanes[2].endpoint_id}

    def test_lease_takes_one_lane_of_each_tenant_first(self) -> None:
        many, quiet = make_tenant(), make_tenant()
        for n in range(20):
            make_lane(make_endpoint(many), due_at=now() - (n + 2) * HOUR)
        late = make_lane(make_endpoint(quiet), due_at=now())
        leased = lease_lanes(OWNER, 2)
        assert leased is not None
        assert late.endpoint_id in {it.endpoint_id for it in leased.lanes}

    def test_lease_keeps_each_tenant_within_its_share_of_held_lanes(self) -> None:
        many, some, full = make_tenant(), make_tenant(), make_tenant()
        for tenant in (many, some, full):
            for _ in range(5):
                make_lane(make_endpoint(tenant), due_at=now())
        leased = lease_lanes(OWNER, 10, max_per_tenant=3, held={some.id: 2, full.id: 3})
        assert leased is not None
        owners = Lane.objects.filter(owner=OWNER).values_list("tenant", flat=True)
        assert Counter(owners) == {many.id: 3, some.id: 1}

    def test_lease_prefers_tenants_with_fewer_held_lanes(self) -> None:
        many, quiet = make_tenant(), make_tenant()
        for n in range(5):
            make_lane(make_endpoint(many), due_at=now() - (n + 2) * HOUR)
        late = make_lane(make_endpoint(quiet), due_at=now())
        leased = lease_lanes(OWNER, 1, max_per_tenant=9, held={many.id: 1})
        assert leased is not None
        assert [it.endpoint_id for it in leased.lanes] == [late.endpoint_id]

    def test_lease_returns_the_stored_state_of_the_lane(self) -> None:
        state = {
            "next_slot_at": now(),
            "concurrency": 40,
            "failures": 3,
            "failing_since": now() - HOUR,
            "open_count": 2,
        }
        recovery = {"recovering_since": now() - 2 * HOUR, "recovered_until": now() - HOUR}
        more = {"wait_until": now() + HOUR, "wait_since": now(), "wait_status": 429, "failing_days": 3}
        more |= {"failing_day_at": now() - HOUR, "warned_at": now() - 2 * HOUR, **state, **recovery}
        make_lane(due_at=now(), low_water_mark=now() - HOUR, circuit_open_until=now(), warnings_sent=1, **more)
        leased = lease_lanes(OWNER, 10)
        assert leased is not None
        (row,) = leased.lanes
        expected = (now() - HOUR, now(), 40, 3, now() - HOUR, 2, now(), 1, now() - 2 * HOUR, now() - HOUR)
        assert row[1:] == (*expected, now() + HOUR, now(), 429, 3, now() - HOUR, now() - 2 * HOUR, False)

    @pytest.mark.parametrize("stop", [pause, lambda it: disable(it, "operator"), lambda it: disable(it, "failing")])
    def test_lease_marks_the_lane_of_an_inactive_endpoint(self, stop: Any) -> None:
        lane = make_lane(due_at=now())
        stop(lane.endpoint)
        leased = lease_lanes(OWNER, 10)
        assert leased is not None
        assert (leased.lanes, leased.undeliverable) == ([], {})
        lane.refresh_from_db()
        assert (lane.endpoint_inactive, lane.owner, lane.due_at) == (True, None, None)

    @pytest.mark.parametrize(
        ("stop", "cause"),
        [
            (delete_endpoint, "endpoint_deleted"),
            (lambda it: delete_tenant(it.tenant), "endpoint_deleted"),
            (lambda it: disable(it, "responded_410"), "responded_410"),
        ],
    )
    def test_lease_returns_a_deleted_endpoint_as_undeliverable(self, stop: Any, cause: str) -> None:
        lane = make_lane(due_at=now())
        stop(lane.endpoint)
        leased = lease_lanes(OWNER, 10)
        assert leased is not None
        assert (leased.lanes, leased.undeliverable) == ([], {lane.endpoint_id: cause})
        lane.refresh_from_db()
        assert (lane.endpoint_inactive, lane.owner, lane.due_at) == (False, None, None)


@pytest.mark.django_db
class TestRenewAndRelease:
    def test_renew_extends_the_lease_and_stores_the_state(self) -> None:
        lane = make_lane(owner=OWNER, due_at=now())
        row = lane_row(
            lane.endpoint,
            low_water_mark=now(),
            failures=4,
            failing_since=now(),
            open_count=1,
            circuit_open_until=now() + HOUR,
        )
        assert renew_lanes(OWNER, [row]).held == {lane.endpoint_id}
        lane.refresh_from_db()
        assert (lane.owner, lane.due_at) == (OWNER, now() + timedelta(seconds=LEASE_SECONDS))
        assert (lane.low_water_mark, lane.failures, lane.open_count) == (now(), 4, 1)
        assert (lane.failing_since, lane.circuit_open_until) == (now(), now() + HOUR)

    def test_renew_stores_a_pause_and_the_evidence_of_failing(self) -> None:
        lane = make_lane(owner=OWNER, due_at=now())
        state = {"wait_until": now() + HOUR, "wait_since": now(), "wait_status": 429}
        state |= {"failing_days": 3, "failing_day_at": now() - HOUR, "warned_at": now() - 2 * HOUR}
        renew_lanes(OWNER, [lane_row(lane.endpoint, **state)])
        lane.refresh_from_db()
        assert {name: getattr(lane, name) for name in state} == state

    def test_renew_and_release_leave_a_lane_of_another_owner_unchanged(self) -> None:
        lane = make_lane(owner=OTHER, due_at=now() + HOUR, failures=1)
        assert renew_lanes(OWNER, [lane_row(lane.endpoint)]) == (set(), None)
        release_lanes(OWNER, [lane_row(lane.endpoint)])
        lane.refresh_from_db()
        assert (lane.owner, lane.due_at, lane.failures) == (OTHER, now() + HOUR, 1)

    def test_released_lane_is_free_and_not_due(self) -> None:
        lane = make_lane(owner=OWNER, due_at=now())
        release_lanes(OWNER, [lane_row(lane.endpoint, failures=2)])
        lane.refresh_from_db()
        assert (lane.owner, lane.due_at, lane.failures) == (None, None, 2)


@pytest.mark.django_db
def test_lease_of_one_lane_of_each_tenant_takes_the_one_that_is_due_longest() -> None:
    many = make_tenant()
    lanes = [make_lane(make_endpoint(many), due_at=now() - HOUR * (n + 1)) for n in range(4)]
    few = make_lane(make_endpoint(), due_at=now())
    make_lane(make_endpoint(), due_at=now() + HOUR)
    leased = lease_lanes(OWNER, 10, one_of_each_tenant=True)
    assert leased is not None
    assert {it.endpoint_id for it in leased.lanes} == {lanes[3].endpoint_id, few.endpoint_id}
