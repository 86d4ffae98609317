"""The leased lanes of one drain on the real tables."""

import math
import time
from datetime import timedelta
from typing import Any

import pytest

from delivery.lanes import leased_lanes
from delivery.lanes.breaker import Breaker
from delivery.lanes.clock import Clock
from delivery.lanes.lane import LeasedLane
from delivery.lanes.lane_rows import shift
from delivery.lanes.leased_lanes import LeasedLanes
from delivery.models import Delivery, Lane
from delivery.sql.lanes import LEASE_LANES, LEASE_SECONDS, lease_lanes
from delivery.sql.recovery import outages
from delivery.transports.outcome import Outcome
from subscriptions.endpoints.state import enable, mark_repaired
from subscriptions.models import Endpoint
from tests.delivery.factories import make_attempt
from tests.delivery.sql.factories import OTHER, make_deliveries, make_lane, now
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db

BACK = timedelta(minutes=3)


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


def test_lease_finds_out_when_the_next_lane_is_due() -> None:
    due_at = now() + timedelta(seconds=40)
    lane = make_lane(make_endpoint(), due_at=due_at)
    lanes = LeasedLanes(Clock())
    lanes.lease()
    assert lanes.next_due_at == pytest.approx(due_at.timestamp())
    lane.delete()
    lanes = LeasedLanes(Clock())
    lanes.lease()
    assert lanes.next_due_at == math.inf


def test_lane_that_becomes_due_after_the_look_is_not_overlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = LeasedLanes(Clock())
    monkeypatch.setattr(leased_lanes, "lease_lanes", lambda *_, **__: None)
    lane = make_lane(make_endpoint(), due_at=now())
    lanes.lease()
    assert lanes.next_due_at == pytest.approx(lane.due_at.timestamp())


def test_when_the_next_lane_is_due_is_not_known_after_a_release() -> None:
    lanes = leasing()
    lanes.next_due_at = math.inf
    lanes.release_all()
    assert lanes.next_due_at == 0.0


def test_when_the_next_lane_is_due_is_not_known_after_a_notification() -> None:
    lanes = LeasedLanes(Clock())
    lanes.lease()
    assert lanes.next_due_at == math.inf
    make_lane(make_endpoint(), due_at=now() + timedelta(seconds=40))  # a publish to an endpoint that is not tried yet
    lanes.lane_available = True
    lanes.lease()
    assert lanes.next_due_at == 0.0


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
    assert lanes.batches
    enable(endpoint)
    lanes.maintain()
    assert not lanes.batches
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


def test_tenant_is_leased_a_lane_although_more_lanes_are_due_than_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("delivery.sql.lanes.MAX_DUE_LANES", 5)
    monkeypatch.setattr("delivery.sql.lanes.LEASE_LANES", LEASE_LANES.replace("LIMIT 1000", "LIMIT 5"))
    crowd = make_tenant()
    for _ in range(20):
        make_lane(make_endpoint(crowd), due_at=now() - timedelta(hours=1))
    quiet = make_lane(make_endpoint(), due_at=now())
    lanes = LeasedLanes(Clock())
    for _ in range(2):
        lanes.lane_available = True
        lanes.lease()
    assert lanes.get(quiet.endpoint_id) is not None
    assert len(list(lanes)) < 20


class TestRecovery:
    """An endpoint works again, and five deliveries wait for retries in an hour."""

    @pytest.fixture(autouse=True)
    def two_in_a_batch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        few = outages.RETRY_AFTER_OUTAGE.replace("FETCH FIRST 1000 ROWS WITH TIES", "FETCH FIRST 2 ROWS ONLY")
        monkeypatch.setattr(outages, "RETRY_AFTER_OUTAGE", few)

    def make_waiting(self, **lane: Any) -> Endpoint:
        endpoint = make_endpoint()
        for number in range(5):
            later = now() + timedelta(hours=1, seconds=number)
            (delivery,) = make_deliveries(endpoint, attempts=1, last_status=503, next_attempt_at=later)
            make_attempt(delivery, started_at=now() - timedelta(minutes=30))
        make_lane(endpoint, due_at=now(), **lane)
        return endpoint

    def due(self) -> int:
        return Delivery.objects.filter(next_attempt_at__lte=now()).count()

    def leased(self) -> LeasedLanes:
        lanes = LeasedLanes(Clock())
        lanes.lease()
        return lanes

    def test_next_owner_makes_due_what_a_dead_drain_has_not(self) -> None:
        self.make_waiting(failures=50, failing_since=now() - timedelta(hours=1), open_count=3)
        first = self.leased()
        lane = held(first)
        lane.on_started(1, now().timestamp())
        lane.on_attempt_ended(Outcome(now().timestamp(), 1, status=200), now().timestamp())
        first.batches.on_outage_ended(lane)
        first.renew()
        first.maintain()
        assert self.due() == 2
        expire_lease()  # the first one is dead
        second = self.leased()
        assert second.batches
        while second.batches:
            second.maintain()
        assert self.due() == 5
        second.release_all()
        row = Lane.objects.get()
        assert (row.recovering_since, row.failing_since) == (None, None)
        assert row.recovered_until is not None

    def test_lane_that_is_released_in_between_is_due_again(self) -> None:
        self.make_waiting(recovering_since=now() - timedelta(hours=1), recovered_until=now())
        first = self.leased()
        first.release_all()
        assert Lane.objects.get().due_at == now()
        assert self.leased().batches

    def test_endpoint_that_is_said_to_work_has_all_its_retries_made_due(self) -> None:
        endpoint = self.make_waiting(failures=1)
        lanes = self.leased()
        assert not lanes.batches
        mark_repaired(endpoint)
        lanes.refresh()
        while lanes.batches:
            lanes.maintain()
        assert self.due() == 5


def test_half_open_lane_is_probed_with_the_newest_delivery_and_the_next_time_with_the_oldest() -> None:
    endpoint = make_endpoint()
    Endpoint.objects.update(created_at=now() - timedelta(days=1), state_changed_at=now() - timedelta(days=1))
    state = {"failures": 30, "failing_since": now() - timedelta(hours=1)}
    make_deliveries(endpoint, 3)
    newest = endpoint.deliveries.order_by("-next_attempt_at")[0]
    for open_count, expected in ((1, newest.next_attempt_at), (2, None)):
        Lane.objects.all().delete()
        make_lane(endpoint, due_at=now(), open_count=open_count, circuit_open_until=now(), **state)
        lanes = LeasedLanes(Clock())
        lanes.lease()
        assert held(lanes).probe_from == expected


def test_lane_that_is_leased_when_its_pause_ends_gets_a_probe() -> None:
    endpoint = make_endpoint()
    Endpoint.objects.update(created_at=now() - timedelta(days=1), state_changed_at=now() - timedelta(days=1))
    make_lane(endpoint, due_at=now())
    clock, later = Clock(), now() + timedelta(hours=1)
    lanes = LeasedLanes(clock)
    lanes.lease()
    lane = held(lanes)
    lane.in_flight = lane.stale_in_flight = 3  # these hang
    lane.breaker = Breaker(failures=20, failing_since=clock.now(), open_count=1, open_until=clock.now() + 60)
    (delivery,) = make_deliveries(endpoint, attempts=1, last_status=503, next_attempt_at=later)
    lanes.refresh()
    delivery.refresh_from_db()
    assert delivery.next_attempt_at == later
    lane.breaker.probe_now(clock.now())
    lanes.refresh()
    delivery.refresh_from_db()
    assert delivery.next_attempt_at == now()
    assert lane.may_have_more


def test_lanes_of_inactive_endpoints_do_not_end_the_search_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leased_lanes, "LEASED_AT_ONCE", 2)
    for _ in range(4):
        make_lane(make_endpoint(state="paused"), due_at=now() - timedelta(hours=1))
    active = make_lane(make_endpoint(), due_at=now())
    lanes = LeasedLanes(Clock())
    for _ in range(2):  # the second time it looks at twice as many
        assert lanes.lane_available
        lanes.lease()
    assert lanes.get(active.endpoint_id) is not None
    assert not lanes.lane_available
    assert not lanes.is_contended


class TestLeaving:
    """A busy drain leaves some of its lanes to one with more time."""

    def leasing_four(self) -> LeasedLanes:
        for _ in range(4):
            make_deliveries(make_lane(make_endpoint(), due_at=now()).endpoint)
        lanes = LeasedLanes(Clock())
        lanes.lease()
        return lanes

    def test_quarter_of_the_lanes_is_released_and_due(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lanes = self.leasing_four()
        first, *others = lanes
        for lane in others:
            lane.in_flight, lane.window.best_latency = 2, 0.01
        lanes.leave_some()
        assert [it for it in lanes if lanes.must_yield(it)] == [first]
        lanes.maintain()
        assert list(lanes) == others
        assert Lane.objects.get(owner=None).endpoint_id == first.target.endpoint_id
        lanes.lane_available = True
        lanes.lease()
        assert len(list(lanes)) == 3  # the other drain has the first chance
        assert lanes.seconds_to_lease() > 0
        other = LeasedLanes(Clock())
        other.lease()
        assert [it.target.endpoint_id for it in other] == [first.target.endpoint_id]

    def test_lane_that_no_other_drain_takes_is_leased_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leased_lanes, "LEFT_FOR", 0.0)
        lanes = self.leasing_four()
        lanes.leave_some()
        lanes.maintain()
        lanes.lane_available = True
        lanes.lease()
        assert len(list(lanes)) == 4
        assert not any(lanes.must_yield(it) for it in lanes)

    def test_only_lane_with_deliveries_stays(self) -> None:
        lanes = leasing()
        held(lanes).in_flight = 0
        lanes.leave_some()
        lanes.maintain()
        assert len(list(lanes)) == 1

    def test_lanes_of_slow_endpoints_stay(self) -> None:
        lanes = self.leasing_four()
        for lane in lanes:
            lane.in_flight, lane.window.best_latency = 1, 5.0
        lanes.leave_some()
        assert not any(lanes.must_yield(it) for it in lanes)


class TestClockWentBack:
    """The clock of the database was three minutes ahead when the rows were written, and has gone back since."""

    def leasing(self, **lane: Any) -> tuple[Clock, LeasedLanes]:
        """Lease the lane of an endpoint with a rate limit, at the time of the clock before it went back."""
        clock = Clock()
        lanes = LeasedLanes(clock)
        make_lane(make_endpoint(rate_limit=60, rate_period="minute", rate_burst=1), due_at=now(), **lane)
        lanes.lease()
        shift(held(lanes), BACK.total_seconds())
        clock.set(now() + BACK)
        return clock, lanes

    def test_leased_lane_claims_what_is_published_now(self) -> None:
        clock, lanes = self.leasing()
        lane = held(lanes)
        lane.on_claimed(1, now() + BACK, clock.now())
        lane.on_started(1, clock.now())
        assert lane.capacity(clock.now()) == 0
        lanes.renew()
        assert lane.low_water_mark <= now()
        assert lane.rate.next_slot < clock.now() + 30

    def test_open_breaker_and_hold_end_on_time(self) -> None:
        clock, lanes = self.leasing()
        lane = held(lanes)
        lane.breaker.open_until = clock.now() + 30
        lane.breaker.failing_since = clock.now() - 60
        lane.held_until = clock.now() + 1
        lanes.renew()
        assert not lane.is_blocked(clock.now() + 31)
        assert lane.breaker.failing_since == pytest.approx(clock.now() - 60, abs=20)
        assert lane.held_until < clock.now() + 20

    def test_deliveries_that_were_due_become_due(self) -> None:
        _, lanes = self.leasing()
        endpoint = held(lanes).target.endpoint_id
        make_deliveries(Endpoint.objects.get(id=endpoint), 3, next_attempt_at=now() + BACK / 2)
        (later,) = make_deliveries(Endpoint.objects.get(id=endpoint), 1, next_attempt_at=now() + BACK * 2)
        lanes.renew()
        while lanes.batches:
            lanes.maintain()
        due = Delivery.objects.filter(next_attempt_at__lte=now() + timedelta(seconds=1))
        assert due.count() == 3
        later.refresh_from_db()
        assert later.next_attempt_at is not None
        assert later.next_attempt_at > now() + BACK

    def test_lane_that_was_due_is_leased(self) -> None:
        _, lanes = self.leasing()
        waiting = make_lane(due_at=now() + BACK / 2)
        blocked = make_lane(due_at=now() + BACK * 2)
        lanes.renew()
        lanes.lease()
        assert lanes.get(waiting.endpoint_id) is not None
        assert lanes.get(blocked.endpoint_id) is None

    def test_lease_and_claim_of_a_crashed_drain_end_on_time(self) -> None:
        _, lanes = self.leasing()
        crashed = make_lane(owner=OTHER, due_at=now() + BACK + timedelta(seconds=5))
        (delivery,) = make_deliveries(
            crashed.endpoint, 1, state="sending", claimed_until=now() + BACK + timedelta(seconds=5)
        )
        lanes.renew()
        crashed.refresh_from_db()
        delivery.refresh_from_db()
        assert crashed.due_at is not None
        assert crashed.due_at <= now() + timedelta(seconds=LEASE_SECONDS)
        assert delivery.claimed_until is not None
        assert delivery.claimed_until < now() + timedelta(seconds=30)

    def test_idle_drain_notices_it_too(self) -> None:
        clock = Clock()
        lanes = LeasedLanes(clock)
        clock.set(now() + BACK)
        waiting = make_lane(due_at=now() + BACK / 2)
        for _ in range(2):
            lanes.lane_available = True
            lanes.lease()
        assert lanes.get(waiting.endpoint_id) is not None

    def test_mark_of_a_later_clock_is_not_used(self) -> None:
        """No drain was running when the clock went back."""
        lane = make_lane(due_at=now(), low_water_mark=now() + BACK)
        lanes = LeasedLanes(Clock())
        lanes.lease()
        assert held(lanes).target.endpoint_id == lane.endpoint_id
        assert held(lanes).low_water_mark <= now()


def test_process_that_was_stopped_takes_its_pause_for_no_step_of_the_clock() -> None:
    clock = Clock()
    clock.set(now())
    asked_at = time.monotonic() - 60  # the database answered a minute ago
    assert clock.set(now() - timedelta(seconds=60), asked_at) == 0
    assert clock.set(now() - timedelta(seconds=180)) == pytest.approx(120, abs=30)
