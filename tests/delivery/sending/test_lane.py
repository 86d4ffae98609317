"""A lane in memory, driven by a clock of the test's own."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.sending.breaker import FIRST_PAUSE, LONGEST_PAUSE, OPEN_AFTER_FAILURES, OPEN_AFTER_SECONDS
from delivery.sending.lane import LeasedLane
from delivery.sending.rate_limit import DEFAULT_BURST
from delivery.sql.claim import CLAIM_GRACE, LOW_WATER_MARGIN
from delivery.transports.outcome import Failure, Outcome
from tests.delivery.factories_lanes import START, make_lane, make_target

SUCCESS = Outcome(START, 1, status=200)
FAILURE = Outcome(START, 1, status=500, failure=Failure.STATUS)


def start(lane: LeasedLane, now: float, most: int = 1_000_000) -> int:
    """Start as many attempts as the lane has room for, if so many are due. How many."""
    quota = min(lane.capacity(now), most)
    if quota:
        lane.claim_request(quota)
        lane.on_claimed(quota, instant(now), now)
    return quota


def instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class TestRoom:
    def test_no_more_are_in_flight_than_the_endpoint_allows(self) -> None:
        lane = make_lane(max_in_flight=3)
        assert start(lane, START) == 3
        assert lane.capacity(START) == 0
        lane.on_attempt_ended(SUCCESS, START)
        assert lane.capacity(START) == 1

    def test_an_endpoint_that_shrinks_has_no_room_rather_than_less_than_none(self) -> None:
        lane = make_lane(max_in_flight=10)
        start(lane, START)
        lane.refresh(make_target(max_in_flight=2), START)
        assert lane.capacity(START) == 0

    @pytest.mark.parametrize("state", ["paused", "disabled"])
    def test_an_endpoint_that_is_not_active_gets_nothing(self, state: str) -> None:
        lane = make_lane()
        lane.refresh(make_target(state=state), START)
        assert lane.is_blocked(START)
        assert lane.capacity(START) == 0

    def test_a_deleted_endpoint_gets_nothing(self) -> None:
        lane = make_lane()
        lane.refresh(None, START)
        assert lane.is_blocked(START)

    def test_a_claim_outlives_the_deadline_of_its_attempt(self) -> None:
        assert make_lane(timeout_ms=2_000).claim_request(1).seconds == 2 + CLAIM_GRACE


class TestHunger:
    def test_a_lane_that_gave_all_that_was_asked_for_may_have_more(self) -> None:
        lane = make_lane()
        lane.claim_request(5)
        lane.on_claimed(5, instant(START), START)
        assert lane.may_have_more

    @pytest.mark.parametrize("count", [0, 4])
    def test_a_lane_that_gave_less_has_no_more(self, count: int) -> None:
        lane = make_lane()
        lane.claim_request(5)
        lane.on_claimed(count, instant(START) if count else None, START)
        assert not lane.may_have_more


class TestFloor:
    def test_the_floor_trails_the_newest_claim(self) -> None:
        lane = make_lane()
        start(lane, START)
        assert lane.low_water_mark == instant(START) - timedelta(seconds=LOW_WATER_MARGIN)

    def test_the_floor_never_sinks(self) -> None:
        lane = make_lane({"floor_at": instant(START)})
        start(lane, START - 100)
        assert lane.low_water_mark == instant(START)


class TestRate:
    @given(
        rate=st.integers(1, 5_000),
        steps=st.lists(st.tuples(st.floats(0, 3), st.integers(0, 2_000)), min_size=1, max_size=60),
    )
    def test_no_window_sees_more_than_the_burst_and_what_its_length_allows(
        self, rate: int, steps: list[tuple[float, int]]
    ) -> None:
        lane, now = make_lane(rate_limit=rate, max_in_flight=10**9), START
        starts: list[tuple[float, int]] = []
        for wait, most in steps:
            now += wait
            starts.append((now, start(lane, now, most)))
        burst = max(1.0, rate * DEFAULT_BURST)
        for first, (begin, _) in enumerate(starts):
            total = 0
            for end, count in starts[first:]:
                total += count
                assert total <= burst + rate * (end - begin) + 1e-3 * rate / 100 + 1e-6

    @given(
        per_minute=st.integers(1, 600),
        burst=st.integers(1, 100),
        waits=st.lists(st.floats(0, 20), min_size=1, max_size=40),
    )
    def test_a_rate_by_the_minute_with_a_burst_of_its_own_holds_in_every_window(
        self, per_minute: int, burst: int, waits: list[float]
    ) -> None:
        rate = per_minute / 60
        lane, now = make_lane(rate_limit=rate, rate_burst=burst, max_in_flight=10**9), START
        starts = [(now, start(lane, now))]
        assert starts[0][1] == burst
        for wait in waits:
            now += wait
            starts.append((now, start(lane, now)))
        for first, (begin, _) in enumerate(starts):
            for last, (end, _) in enumerate(starts[first:], first):
                total = sum(count for _, count in starts[first : last + 1])
                assert total <= burst + rate * (end - begin) + 1e-3

    @given(rate=st.integers(1, 5_000))
    def test_who_asks_when_told_to_gets_the_full_rate(self, rate: int) -> None:
        lane, now = make_lane(rate_limit=rate, max_in_flight=10**9), START
        total = start(lane, now)
        for _ in range(50):
            now = max(now, lane.ready_at(now)) + 1e-6
            total += start(lane, now)
        assert total >= 50
        assert total >= rate * (now - START) * 0.99

    def test_the_pace_survives_a_change_of_owner(self) -> None:
        lane = make_lane(rate_limit=1)
        assert start(lane, START) == 1
        heir = LeasedLane.from_row(lane.row(), lane.target, START + 0.5)
        assert heir.capacity(START + 0.5) == 0
        assert heir.capacity(START + 1.0) == 1

    def test_an_hour_of_silence_saves_up_no_more_than_a_burst(self) -> None:
        lane = make_lane(rate_limit=50)
        start(lane, START)
        assert lane.capacity(START + 3600) == 50 * DEFAULT_BURST

    def test_without_a_limit_nothing_is_waited_for(self) -> None:
        lane = make_lane(max_in_flight=500)
        assert start(lane, START) == 500
        assert lane.ready_at(START) == float("inf")

    def test_a_rate_that_was_raised_holds_at_once(self) -> None:
        lane = make_lane(rate_limit=1 / 60)
        start(lane, START)
        lane.refresh(make_target(rate_limit=100), START)
        assert lane.ready_at(START) < START + 1
        assert lane.capacity(START + 1) == 100 * DEFAULT_BURST

    def test_a_clock_that_was_set_back_stops_nothing(self) -> None:
        lane = make_lane(rate_limit=10)
        start(lane, START)
        lane.refresh(lane.target, START - 3600)
        assert lane.capacity(START - 3600 + 1) == 1


class TestBeginningAnew:
    FAILED = {
        "failures": 50,
        "failing_since": instant(START - 60),
        "trips": 4,
        "tripped_until": instant(START + 900),
        "warned": 2,
        "window": 1,
    }

    @pytest.mark.parametrize(("moved", "is_shut", "warned"), [(-61, True, 2), (-59, False, 0)])
    def test_failures_from_before_an_endpoint_moved_count_no_more(
        self, moved: float, is_shut: bool, warned: int
    ) -> None:
        lane = make_lane(self.FAILED, anew_at=START + moved)
        assert (lane.is_blocked(START), lane.warning_level) == (is_shut, warned)
        assert (lane.row().failing_since is None) == (not is_shut)

    def test_it_holds_for_a_lane_that_is_in_use(self) -> None:
        lane = make_lane(self.FAILED)
        lane.refresh(make_target(anew_at=START), START)
        assert not lane.is_blocked(START)
        assert lane.capacity(START) > 1

    def test_what_we_stumbled_over_ourselves_says_nothing_about_the_endpoint(self) -> None:
        lane = make_lane()
        for _ in range(2 * OPEN_AFTER_FAILURES):
            lane.in_flight = 1
            lane.on_attempt_ended(Outcome(START, 0, failure=Failure.INTERNAL), START + 2 * OPEN_AFTER_SECONDS)
        assert (lane.breaker.failures, lane.breaker.failing_since, lane.in_flight) == (0, None, 0)

    def test_the_end_of_an_attempt_at_another_address_teaches_nothing(self) -> None:
        lane = make_lane(url="https://example.com/new")
        lane.in_flight = 2
        lane.on_attempt_ended(FAILURE, START, "https://example.com/old")
        assert (lane.in_flight, lane.breaker.failures) == (1, 0)
        lane.on_attempt_ended(FAILURE, START, "https://example.com/new")
        assert (lane.in_flight, lane.breaker.failures) == (0, 1)


class TestBreaker:
    def tripped(self) -> LeasedLane:
        lane = make_lane()
        for number in range(OPEN_AFTER_FAILURES):
            self.fail(lane, START + number * OPEN_AFTER_SECONDS / (OPEN_AFTER_FAILURES - 1))
        return lane

    def fail(self, lane: LeasedLane, now: float) -> None:
        lane.in_flight += 1
        lane.on_attempt_ended(FAILURE, now)

    def test_it_trips_after_so_many_failures_over_so_long(self) -> None:
        lane = self.tripped()
        tripped_at = START + OPEN_AFTER_SECONDS
        assert lane.is_blocked(tripped_at)
        assert lane.is_blocked(tripped_at + FIRST_PAUSE - 0.1)
        assert not lane.is_blocked(tripped_at + FIRST_PAUSE)

    def test_a_burst_of_failures_alone_does_not_trip(self) -> None:
        lane = make_lane()
        for _ in range(OPEN_AFTER_FAILURES * 5):
            self.fail(lane, START)
        assert not lane.is_blocked(START)

    def test_one_success_in_between_starts_the_count_anew(self) -> None:
        lane = make_lane()
        for number in range(OPEN_AFTER_FAILURES - 1):
            self.fail(lane, START + number)
        lane.in_flight += 1
        lane.on_attempt_ended(SUCCESS, START + 30)
        self.fail(lane, START + 60)
        assert (lane.breaker.failures, lane.is_blocked(START + 60)) == (1, False)

    def test_between_two_pauses_one_probe_goes(self) -> None:
        lane = self.tripped()
        now = START + OPEN_AFTER_SECONDS + FIRST_PAUSE
        assert start(lane, now) == 1
        assert lane.capacity(now) == 0

    def test_a_failed_probe_doubles_the_pause_up_to_a_limit(self) -> None:
        lane, now, pauses = self.tripped(), START + OPEN_AFTER_SECONDS + FIRST_PAUSE, []
        for _ in range(20):
            start(lane, now)
            lane.on_attempt_ended(FAILURE, now)
            assert lane.breaker.open_until is not None
            pauses.append(lane.breaker.open_until - now)
            now = lane.breaker.open_until
        assert pauses[:5] == pytest.approx([60, 120, 240, 480, 900])
        assert set(pauses[5:]) == {LONGEST_PAUSE}

    def test_the_stragglers_of_the_trip_do_not_lengthen_it(self) -> None:
        lane = self.tripped()
        until = lane.breaker.open_until
        for _ in range(50):
            self.fail(lane, START + OPEN_AFTER_SECONDS + 1)
        assert lane.breaker.open_until == until

    def test_a_probe_that_is_delivered_closes_it_and_what_waited_comes_back_by_and_by(self) -> None:
        lane = self.tripped()
        now, rooms = START + OPEN_AFTER_SECONDS + FIRST_PAUSE, []
        while not rooms or rooms[-1] < lane.target.max_in_flight:
            for _ in range(start(lane, now)):
                lane.on_attempt_ended(SUCCESS, now)
            rooms.append(lane.capacity(now))
        assert rooms[:4] == [2, 4, 8, 16]

    def test_it_survives_a_change_of_owner(self) -> None:
        lane = self.tripped()
        heir = LeasedLane.from_row(lane.row(), lane.target, START + OPEN_AFTER_SECONDS)
        assert heir.is_blocked(START + OPEN_AFTER_SECONDS + FIRST_PAUSE / 2)
        assert heir.capacity(START + OPEN_AFTER_SECONDS + FIRST_PAUSE) == 1
