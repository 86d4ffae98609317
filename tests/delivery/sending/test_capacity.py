"""Divide a drain's capacity among lanes, and count what is in flight, without a database."""

from collections import deque
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.lanes.lane import LeasedLane
from delivery.sending import capacity
from delivery.sending.capacity import IDLE_PROBE, BodyBudget, Capacity, TenantRoom, share_capacity
from delivery.sql.claim import LARGE_BODY
from tests.delivery.factories_lanes import START, make_lane
from webhooks.wire.ids import new_id


@st.composite
def groups(draw: st.DrawFn) -> list[LeasedLane]:
    lanes = []
    for most, in_flight, may_have_more in draw(
        st.lists(st.tuples(st.integers(1, 512), st.integers(0, 20), st.booleans()), max_size=80)
    ):
        lane = make_lane(max_in_flight=most)
        lane.in_flight, lane.may_have_more = in_flight, may_have_more
        lanes.append(lane)
    return lanes


def capacity_with(*counts: int, max_attempts: int | None = None) -> tuple[Capacity, list[UUID]]:
    """Return a capacity with so many attempts of each of several tenants in flight, and these tenants."""
    found, tenants = Capacity(max_attempts), [new_id() for _ in counts]
    for tenant, count in zip(tenants, counts, strict=True):
        for _ in range(count):
            found.start(new_id(), tenant)
    return found, tenants


class TestCapacity:
    def test_free_counts_down_while_attempts_are_fast(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(capacity, "MAX_FAST_IN_FLIGHT", 10)
        assert capacity_with(3)[0].free() == 7

    def test_free_does_not_count_slow_attempts_up_to_the_maximum(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {"MAX_FAST_IN_FLIGHT": 10, "MAX_IN_FLIGHT": 15, "SLOW_AFTER": 0.0}.items():
            monkeypatch.setattr(capacity, name, value)
        assert capacity_with(4)[0].free() == 10
        assert capacity_with(12)[0].free() == 3

    def test_end_frees_what_start_took(self) -> None:
        attempt, found = new_id(), Capacity()
        free = found.free()
        found.start(attempt, new_id())
        found.end(attempt)
        assert (found.free(), len(found)) == (free, 0)

    def test_end_of_a_slow_attempt_frees_what_it_took(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(capacity, "SLOW_AFTER", 0.0)
        attempt, found = new_id(), Capacity()
        found.start(attempt, new_id())
        found.free()
        found.end(attempt)
        assert len(found) == 0

    def test_free_ends_at_what_the_transports_can_have_in_flight(self) -> None:
        assert capacity_with(4, max_attempts=40)[0].free() == 6  # a quarter may be fast

    def test_reduce_allows_fewer_than_are_in_flight(self) -> None:
        found, _ = capacity_with(100)
        found.reduce()
        assert found.free() == 75 // 4 - 100  # a quarter may be fast

    def test_saturating_tenants_have_as_many_in_flight_as_are_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {"MAX_FAST_IN_FLIGHT": 10, "MAX_IN_FLIGHT": 20}.items():
            monkeypatch.setattr(capacity, name, value)
        assert capacity_with(7, 2)[0].saturating_tenants() == frozenset()
        found, (large, _) = capacity_with(9, 3)
        assert found.saturating_tenants() == {large}

    def test_room_of_a_tenant_ends_where_it_has_as_many_in_flight_as_are_left(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(capacity, "MAX_FAST_IN_FLIGHT", 100)
        found, (large, small) = capacity_with(40, 10)
        room = found.room(found.free())
        assert [room.take(tenant, 100) for tenant in (large, small, new_id())] == [5, 20, 25]
        assert room.take(small, 100) == 0


TENANT, OTHER = new_id(), new_id()
MIB = 1024 * 1024


class TestBodyBudget:
    @pytest.fixture(autouse=True)
    def limit_of_100_mib(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(capacity, "MAX_BODY_BYTES", 100 * MIB)

    def test_small_bodies_are_not_counted(self) -> None:
        budget = BodyBudget()
        for _ in range(10_000):
            budget.start(new_id(), TENANT, LARGE_BODY)
        assert budget.allowance().total == 100 * MIB
        assert not budget.is_used_up

    def test_allowance_of_a_tenant_ends_where_it_has_as_much_in_flight_as_is_left(self) -> None:
        budget = BodyBudget()
        assert budget.allowance().of(TENANT) == 50 * MIB
        budget.start(new_id(), TENANT, 50 * MIB)
        assert (budget.allowance().of(TENANT), budget.is_used_up) == (0, True)
        assert budget.allowance().of(OTHER) == 25 * MIB

    def test_allowance_is_never_negative(self) -> None:
        budget = BodyBudget()
        budget.start(new_id(), TENANT, 500 * MIB)
        allowance = budget.allowance()
        assert (allowance.total, allowance.of(TENANT), allowance.of(OTHER)) == (0, 0, 0)

    def test_end_gives_back_what_start_took_and_says_whether_the_body_was_large(self) -> None:
        budget = BodyBudget()
        large, small = new_id(), new_id()
        budget.start(large, TENANT, 60 * MIB)
        budget.start(small, TENANT, 10)
        assert (budget.end(small), budget.end(large), budget.end(large)) == (False, True, False)
        assert budget.allowance().of(TENANT) == 50 * MIB
        assert not budget.is_used_up


class TestShareCapacity:
    @given(groups(), st.integers(-5, 600))
    def test_share_never_exceeds_the_capacity(self, lanes: list[LeasedLane], free: int) -> None:
        assert sum(asking.limit for asking in share_capacity(lanes, free, START)) <= max(free, 0)

    @given(groups(), st.integers(0, 600))
    def test_share_requests_no_more_than_a_lane_has_capacity_for(self, lanes: list[LeasedLane], free: int) -> None:
        limits = {lane.target.endpoint_id: lane.capacity(START) for lane in lanes}
        for asking in share_capacity(lanes, free, START):
            assert 1 <= asking.limit <= limits[asking.lane.target.endpoint_id]

    @given(groups(), st.integers(1, 600))
    def test_share_reaches_every_lane_with_capacity(self, lanes: list[LeasedLane], free: int) -> None:
        """Move lanes that got a request to the end, as a drain does."""
        queue = deque(lanes)
        waiting = {lane.target.endpoint_id for lane in lanes if lane.capacity(START)}
        for _ in range(len(lanes)):
            served = {asking.lane.target.endpoint_id for asking in share_capacity(list(queue), free, START)}
            waiting -= served
            queue = deque(sorted(queue, key=lambda lane: lane.target.endpoint_id in served))
        assert not waiting

    def test_share_gives_a_full_lane_what_idle_lanes_leave(self) -> None:
        full, empty = make_lane(max_in_flight=500), make_lane(max_in_flight=500)
        empty.may_have_more = False
        asking = {it.lane.target.endpoint_id: it.limit for it in share_capacity([full, empty], 100, START)}
        assert asking == {full.target.endpoint_id: 100 - IDLE_PROBE, empty.target.endpoint_id: IDLE_PROBE}

    def test_share_below_one_each_takes_one_lane_of_each_tenant_first(self) -> None:
        tenant = new_id()
        large = [make_lane(tenant_id=tenant) for _ in range(5)]
        small = make_lane()
        served = {it.lane.target.endpoint_id for it in share_capacity([*large, small], 2, START)}
        assert served == {large[0].target.endpoint_id, small.target.endpoint_id}

    def test_share_leaves_room_for_the_next_tenant(self) -> None:
        tenant = new_id()
        lanes = [make_lane(max_in_flight=500, tenant_id=tenant) for _ in range(4)]
        assert [it.limit for it in share_capacity(lanes, 100, START, TenantRoom(100))] == [25, 25]

    def test_share_gives_full_lanes_equal_parts(self) -> None:
        lanes = [make_lane(max_in_flight=500) for _ in range(4)]
        assert [it.limit for it in share_capacity(lanes, 100, START)] == [25, 25, 25, 25]
