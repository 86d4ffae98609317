"""A lane in memory, with a clock of the test's own."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.lanes.breaker import FIRST_PAUSE, LONGEST_PAUSE, OPEN_AFTER_FAILURES, OPEN_AFTER_SECONDS, PAUSE_GROWTH
from delivery.lanes.lane import LeasedLane
from delivery.lanes.lane_rows import lane_from_row, row_of, shift
from delivery.sql.claim import CLAIM_GRACE, LOW_WATER_MARGIN
from delivery.sql.settle import RELEASED_WAIT
from delivery.transports.outcome import Failure, Outcome
from tests.delivery.factories_lanes import START, make_lane, make_target
from webhooks.kit.rate_limit import DEFAULT_BURST_SECONDS

SUCCESS = Outcome(START, 1, status=200)
FAILURE = Outcome(START, 1, status=500, failure=Failure.STATUS)


REJECTED = Outcome(START, 1, status=422, failure=Failure.STATUS, rejected=True)


def failure_at(now: float, status: int | None = 500) -> Outcome:
    return Outcome(now, 1, status=status, failure=Failure.STATUS)


def start(lane: LeasedLane, now: float, most: int = 1_000_000) -> int:
    """Start as many attempts as the lane has capacity for, ``most`` at most. Return how many."""
    quota = min(lane.capacity(now), most)
    if quota:
        lane.claim_request(quota)
        lane.on_claimed(quota, instant(now), now)
        lane.on_started(quota, now)
    return quota


def instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class TestCapacity:
    def test_capacity_ends_at_max_in_flight(self) -> None:
        lane = make_lane(max_in_flight=3)
        assert start(lane, START) == 3
        assert lane.capacity(START) == 0
        lane.on_attempt_ended(SUCCESS, START)
        assert lane.capacity(START) == 1

    def test_capacity_below_what_is_in_flight_is_zero(self) -> None:
        lane = make_lane(max_in_flight=10)
        start(lane, START)
        lane.refresh(make_target(max_in_flight=2), START)
        assert lane.capacity(START) == 0

    @pytest.mark.parametrize("state", ["paused", "disabled"])
    def test_lane_of_an_inactive_endpoint_is_blocked(self, state: str) -> None:
        lane = make_lane()
        lane.refresh(make_target(state=state), START)
        assert lane.is_blocked(START)
        assert lane.capacity(START) == 0

    def test_lane_of_a_deleted_endpoint_is_blocked(self) -> None:
        lane = make_lane()
        lane.refresh(None, START)
        assert lane.is_blocked(START)

    def test_claim_outlasts_the_timeout_of_its_attempt(self) -> None:
        assert make_lane(timeout_ms=2_000).claim_request(1).seconds == 2 + CLAIM_GRACE

    def test_attempts_that_are_not_settled_limit_the_capacity(self) -> None:
        lane = make_lane(max_in_flight=3)
        for _ in range(2):
            lane.on_started(3, START)
            for _ in range(3):
                lane.on_attempt_ended(SUCCESS, START)
        assert lane.capacity(START) == 0
        assert lane.ready_at(START) == math.inf
        for _ in range(2):
            lane.on_settled([None])
        assert lane.capacity(START) == 2


class TestRecovery:
    OPEN = {"failures": 50, "failing_since": instant(START - 60), "open_count": 4}

    def succeed(self, lane: LeasedLane, now: float) -> None:
        lane.on_started(1, now)
        lane.on_attempt_ended(Outcome(now, 1, status=200), now)

    def test_success_after_an_outage_has_its_retries_made_due(self) -> None:
        lane = make_lane(self.OPEN, timeout_ms=15_000)
        self.succeed(lane, START + 1)
        assert (lane.recovering_since, lane.recovered_until) == (START - 60 - 15, START + 1)

    def test_next_owner_continues(self) -> None:
        lane = make_lane(self.OPEN)
        self.succeed(lane, START + 1)
        successor = lane_from_row(row_of(lane), lane.target, START + 2)
        assert (successor.recovering_since, successor.recovered_until) == (lane.recovering_since, START + 1)

    def test_second_outage_does_not_shorten_the_first(self) -> None:
        lane = make_lane()
        lane.recover(START - 100, START - 50)
        lane.recover(START - 20, START)
        assert (lane.recovering_since, lane.recovered_until) == (START - 100 - 15, START)

    def test_endpoint_that_is_said_to_work_is_probed_and_all_its_retries_are_made_due_once(self) -> None:
        lane = make_lane({**self.OPEN, "circuit_open_until": instant(START + 900)})
        repaired = make_target(repaired_at=START)
        lane.refresh(repaired, START)
        assert (lane.recovering_since, lane.recovered_until, lane.capacity(START)) == (0.0, START, 1)
        lane.recovering_since = None
        lane_from_row(row_of(lane), repaired, START).refresh(repaired, START)
        lane.refresh(repaired, START + 1)
        assert lane.recovering_since is None
        assert lane_from_row(row_of(lane), repaired, START + 1).recovering_since is None

    @pytest.mark.parametrize(
        ("began", "status", "is_overdue"), [(-1, 500, True), (-1, None, True), (-1, 429, False), (1, 500, False)]
    )
    def test_attempt_that_fails_after_the_outage_is_repeated_if_it_began_in_it(
        self, began: float, status: int | None, is_overdue: bool
    ) -> None:
        lane = make_lane(self.OPEN)
        self.succeed(lane, START + 10)
        assert lane.is_overdue(failure_at(START + 10 + began, status)) == is_overdue

    def test_clock_that_goes_back_moves_the_end_of_the_outage(self) -> None:
        lane = make_lane(self.OPEN)
        self.succeed(lane, START)
        shift(lane, -100)
        assert (lane.recovering_since, lane.recovered_until) == (START - 60 - 15 - 100, START - 100)
        assert lane_from_row(row_of(lane), lane.target, START - 200).recovered_until == START - 200

    def test_rejected_attempt_is_not_repeated_at_once_after_an_outage(self) -> None:
        lane = make_lane(self.OPEN)
        self.succeed(lane, START + 10)
        assert not lane.is_overdue(REJECTED)

    def test_clock_that_goes_back_starts_no_recovery(self) -> None:
        lane = make_lane()
        shift(lane, -100)
        lane.refresh(lane.target, START - 100)
        assert (lane.recovering_since, lane.recovered_until) == (None, 0.0)


class TestMayHaveMore:
    def test_lane_may_have_more_after_a_full_claim(self) -> None:
        lane = make_lane()
        lane.claim_request(5)
        lane.on_claimed(5, instant(START), START)
        assert lane.may_have_more

    @pytest.mark.parametrize("count", [0, 4])
    def test_lane_has_no_more_after_a_claim_below_the_limit(self, count: int) -> None:
        lane = make_lane()
        lane.claim_request(5)
        lane.on_claimed(count, instant(START) if count else None, START)
        assert not lane.may_have_more


class TestLowWaterMark:
    def test_low_water_mark_trails_the_newest_claim(self) -> None:
        lane = make_lane()
        start(lane, START)
        assert lane.low_water_mark == instant(START) - timedelta(seconds=LOW_WATER_MARGIN)

    def test_low_water_mark_never_falls(self) -> None:
        lane = make_lane({"low_water_mark": instant(START)})
        start(lane, START - 100)
        assert lane.low_water_mark == instant(START)


class TestRateLimit:
    @given(
        rate=st.integers(1, 5_000),
        steps=st.lists(st.tuples(st.floats(0, 3), st.integers(0, 2_000)), min_size=1, max_size=60),
    )
    def test_rate_limit_holds_over_every_interval(self, rate: int, steps: list[tuple[float, int]]) -> None:
        lane, now = make_lane(rate_limit=rate, max_in_flight=10**9), START
        starts: list[tuple[float, int]] = []
        for wait, most in steps:
            now += wait
            starts.append((now, start(lane, now, most)))
        burst = max(1.0, rate * DEFAULT_BURST_SECONDS)
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
    def test_rate_limit_per_minute_with_a_burst_holds_over_every_interval(
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
    def test_ready_at_gives_the_full_rate(self, rate: int) -> None:
        lane, now = make_lane(rate_limit=rate, max_in_flight=10**9), START
        total = start(lane, now)
        for _ in range(50):
            now = max(now, lane.ready_at(now)) + 1e-6
            total += start(lane, now)
        assert total >= 50
        assert total >= rate * (now - START) * 0.99

    def test_rate_limit_is_kept_by_the_next_owner(self) -> None:
        lane = make_lane(rate_limit=1)
        assert start(lane, START) == 1
        successor = lane_from_row(row_of(lane), lane.target, START + 0.5)
        assert successor.capacity(START + 0.5) == 0
        assert successor.capacity(START + 1.0) == 1

    def test_quiet_time_saves_up_one_burst_at_most(self) -> None:
        lane = make_lane(rate_limit=50)
        start(lane, START)
        assert lane.capacity(START + 3600) == 50 * DEFAULT_BURST_SECONDS

    def test_lane_without_a_rate_limit_is_limited_by_its_window_only(self) -> None:
        lane = make_lane(max_in_flight=500)
        assert start(lane, START) == 500
        assert lane.ready_at(START) == float("inf")

    def test_raised_rate_limit_applies_at_once(self) -> None:
        lane = make_lane(rate_limit=1 / 60)
        start(lane, START)
        lane.refresh(make_target(rate_limit=100), START)
        assert lane.ready_at(START) < START + 1
        assert lane.capacity(START + 1) == 100 * DEFAULT_BURST_SECONDS

    def test_clock_set_back_does_not_keep_the_breaker_open(self) -> None:
        opened = {"failures": 20, "failing_since": instant(START + 3500), "failing_day_at": instant(START + 3500)}
        lane = make_lane({**opened, "open_count": 1, "circuit_open_until": instant(START + 3605)})
        assert [lane.capacity(START + after) for after in (0, LONGEST_PAUSE)] == [0, 1]
        assert (lane.breaker.failing_since, lane.breaker.failing_day_at) == (START, START)

    def test_clock_set_back_does_not_stop_the_lane(self) -> None:
        lane = make_lane(rate_limit=10)
        start(lane, START)
        lane.refresh(lane.target, START - 3600)
        assert lane.capacity(START - 3600 + 1) == 1


class TestChangedEndpoint:
    FAILED = {
        "failures": 50,
        "failing_since": instant(START - 60),
        "open_count": 4,
        "circuit_open_until": instant(START + 900),
        "warnings_sent": 2,
        "warned_at": instant(START - 30),
        "concurrency": 1,
    }

    @pytest.mark.parametrize(("moved", "is_shut", "warned"), [(-61, True, 2), (-59, False, 0)])
    def test_failures_before_a_change_of_the_endpoint_are_forgotten(
        self, moved: float, is_shut: bool, warned: int
    ) -> None:
        lane = make_lane(self.FAILED, reset_at=START + moved)
        assert (lane.is_blocked(START), lane.warnings_sent) == (is_shut, warned)
        assert (row_of(lane).failing_since is None) == (row_of(lane).warned_at is None) == (not is_shut)

    def test_refresh_of_a_changed_endpoint_closes_its_breaker(self) -> None:
        lane = make_lane(self.FAILED)
        lane.refresh(make_target(reset_at=START), START)
        assert not lane.is_blocked(START)
        assert lane.capacity(START) > 1

    def test_internal_failures_do_not_count_for_the_breaker(self) -> None:
        lane = make_lane()
        for _ in range(2 * OPEN_AFTER_FAILURES):
            lane.in_flight = 1
            lane.on_attempt_ended(Outcome(START, 0, failure=Failure.INTERNAL), START + 2 * OPEN_AFTER_SECONDS)
        assert (lane.breaker.failures, lane.breaker.failing_since, lane.in_flight) == (0, None, 0)

    def test_outcome_from_a_former_address_does_not_count(self) -> None:
        lane = make_lane(url="https://example.com/new")
        lane.in_flight = 2
        lane.on_attempt_ended(FAILURE, START, "https://example.com/old")
        assert (lane.in_flight, lane.breaker.failures) == (1, 0)
        lane.on_attempt_ended(FAILURE, START, "https://example.com/new")
        assert (lane.in_flight, lane.breaker.failures) == (0, 1)


class TestBreaker:
    def opened(self) -> LeasedLane:
        lane = make_lane()
        for number in range(OPEN_AFTER_FAILURES):
            self.fail(lane, START + number * OPEN_AFTER_SECONDS / (OPEN_AFTER_FAILURES - 1))
        return lane

    def fail(self, lane: LeasedLane, now: float) -> None:
        lane.in_flight += 1
        lane.on_attempt_ended(failure_at(now), now)
        lane.on_settled([None])

    def test_breaker_opens_after_failures_in_a_row_over_a_time(self) -> None:
        lane = self.opened()
        opened_at = START + OPEN_AFTER_SECONDS
        assert lane.is_blocked(opened_at)
        assert lane.is_blocked(opened_at + FIRST_PAUSE - 0.1)
        assert not lane.is_blocked(opened_at + FIRST_PAUSE)

    def test_breaker_stays_closed_after_a_burst_of_failures(self) -> None:
        lane = make_lane()
        for _ in range(OPEN_AFTER_FAILURES * 5):
            self.fail(lane, START)
        assert not lane.is_blocked(START)

    def test_success_resets_the_failures(self) -> None:
        lane = make_lane()
        for number in range(OPEN_AFTER_FAILURES - 1):
            self.fail(lane, START + number)
        lane.in_flight += 1
        lane.on_attempt_ended(SUCCESS, START + 30)
        self.fail(lane, START + 60)
        assert (lane.breaker.failures, lane.is_blocked(START + 60)) == (1, False)

    def test_half_open_breaker_allows_one_attempt(self) -> None:
        lane = self.opened()
        now = START + OPEN_AFTER_SECONDS + FIRST_PAUSE
        assert start(lane, now) == 1
        assert lane.capacity(now) == 0

    @pytest.mark.parametrize(("max_in_flight", "probes"), [(64, 1), (5, 0)])
    def test_probe_does_not_wait_for_attempts_that_hang_since_before(self, max_in_flight: int, probes: int) -> None:
        lane = make_lane(max_in_flight=max_in_flight)
        lane.on_started(5, START)  # these hang
        for number in range(OPEN_AFTER_FAILURES):
            self.fail(lane, START + number * OPEN_AFTER_SECONDS / (OPEN_AFTER_FAILURES - 1))
        now = START + OPEN_AFTER_SECONDS + FIRST_PAUSE
        assert lane.capacity(now) == probes
        lane.on_attempt_ended(failure_at(START), now)
        assert not lane.is_blocked(now)
        assert lane.capacity(now) == 1
        lane.on_started(1, now)
        assert lane.capacity(now) == 0
        lane.on_attempt_ended(failure_at(now), now + 1)
        assert lane.is_blocked(now + 1)

    def test_failed_probe_lengthens_the_pause_up_to_the_longest(self) -> None:
        lane, now, pauses = self.opened(), START + OPEN_AFTER_SECONDS + FIRST_PAUSE, []
        for _ in range(40):
            start(lane, now)
            lane.on_attempt_ended(failure_at(now), now)
            assert lane.breaker.open_until is not None
            pauses.append(lane.breaker.open_until - now)
            now = lane.breaker.open_until
        assert pauses[:3] == pytest.approx([FIRST_PAUSE * PAUSE_GROWTH**count for count in (1, 2, 3)])
        assert pauses == sorted(pauses)
        assert set(pauses[25:]) == {LONGEST_PAUSE}

    def test_failures_while_open_do_not_lengthen_the_pause(self) -> None:
        lane = self.opened()
        until = lane.breaker.open_until
        for _ in range(50):
            self.fail(lane, START + OPEN_AFTER_SECONDS + 1)
        assert lane.breaker.open_until == until

    def test_delivered_probe_closes_the_breaker_and_the_window_grows_from_one(self) -> None:
        lane = self.opened()
        now, rooms = START + OPEN_AFTER_SECONDS + FIRST_PAUSE, []
        while not rooms or rooms[-1] < lane.target.max_in_flight:
            for _ in range(start(lane, now)):
                lane.on_attempt_ended(Outcome(now, 1, status=200), now)
                lane.on_settled([None])
            rooms.append(lane.capacity(now))
        assert rooms[:4] == [2, 4, 8, 16]

    def test_breaker_is_kept_by_the_next_owner(self) -> None:
        lane = self.opened()
        successor = lane_from_row(row_of(lane), lane.target, START + OPEN_AFTER_SECONDS)
        assert successor.is_blocked(START + OPEN_AFTER_SECONDS + FIRST_PAUSE / 2)
        assert successor.capacity(START + OPEN_AFTER_SECONDS + FIRST_PAUSE) == 1


class TestNotAttempted:
    def test_attempt_that_was_not_started_holds_the_lane_for_a_while(self) -> None:
        lane = make_lane(row={"concurrency": 8})
        start(lane, START, 4)
        lane.on_attempt_ended(Outcome(START, 1, failure=Failure.DNS, not_attempted=True), START)
        assert (lane.in_flight, lane.capacity(START)) == (3, 0)
        assert (lane.breaker.failures, lane.window.allowed) == (0, 8)
        assert lane.capacity(START + RELEASED_WAIT) == 5
        lane.may_have_more = True
        assert lane.ready_at(START) == START + RELEASED_WAIT


class TestSignsOfLife:
    def test_rejected_deliveries_open_no_breaker_and_let_the_window_grow(self) -> None:
        lane = make_lane({"concurrency": 8})
        for number in range(900):
            lane.on_started(8, START + number)
            for _ in range(8):
                lane.on_attempt_ended(REJECTED, START + number)
                lane.on_settled([None])
        assert (lane.breaker.failures, lane.breaker.failing_since, lane.breaker.open_count) == (0, None, 0)
        assert lane.window.allowed > 8

    def test_rejected_probe_ends_the_outage(self) -> None:
        lane = make_lane({"failures": 50, "failing_since": instant(START - 60), "open_count": 4})
        lane.on_started(1, START)
        lane.on_attempt_ended(REJECTED, START)
        assert (lane.breaker.open_count, lane.recovered_until) == (0, START)
        assert lane.recovering_since is not None


class TestProbes:
    OPEN = {"failures": 50, "failing_since": instant(START - 60), "low_water_mark": instant(START - 1_000)}

    def test_claim_of_a_newest_probe_begins_there_and_keeps_the_low_water_mark(self) -> None:
        lane = make_lane({**self.OPEN, "open_count": 1})
        lane.probe_from = instant(START - 1)
        assert lane.claim_request(1).low_water_mark == instant(START - 1)
        lane.on_claimed(1, instant(START - 1), START)
        assert lane.low_water_mark == instant(START - 1_000)
        assert lane.may_have_more
        assert lane.claim_request(1).low_water_mark == instant(START - 1_000)

    def test_claim_after_the_breaker_closed_begins_at_the_low_water_mark(self) -> None:
        lane = make_lane({**self.OPEN, "open_count": 1})
        lane.probe_from = instant(START - 1)
        lane.breaker.on_sign_of_life()
        assert lane.claim_request(64).low_water_mark == instant(START - 1_000)


def paused(seconds: float = 120.0, status: int = 503) -> Outcome:
    return Outcome(START, 1, status=status, failure=Failure.STATUS, asked_pause=seconds, overloaded=True)


class TestPauseRequested:
    """The endpoint responded with Retry-After."""

    def waiting(self) -> LeasedLane:
        lane = make_lane()
        lane.on_started(40, START)
        lane.on_attempt_ended(paused(), START)
        return lane

    def test_nothing_is_sent_until_the_end_of_the_pause_and_then_one_attempt(self) -> None:
        lane = self.waiting()
        for _ in range(39):
            lane.on_attempt_ended(SUCCESS, START + 1)
            lane.on_settled([None])
        assert [lane.capacity(START + after) for after in (0, 60, 119.9, 120)] == [0, 0, 0, 1]
        assert lane.is_blocked(START + 119.9)
        assert not lane.may_hold(START + 119.9)

    @pytest.mark.parametrize("status", [429, 503, 413, 403, 301])
    def test_pause_does_not_depend_on_the_status(self, status: int) -> None:
        lane = make_lane()
        lane.on_started(1, START)
        lane.on_attempt_ended(paused(60, status), START)
        assert (lane.capacity(START + 59), lane.wait_status) == (0, status)

    def test_longest_pause_counts(self) -> None:
        lane = self.waiting()
        for seconds in (10.0, 200.0, 50.0):
            lane.on_attempt_ended(paused(seconds, 429), START)
        assert (lane.wait_until, lane.wait_status) == (START + 200, 429)

    def test_pause_is_kept_by_the_next_owner(self) -> None:
        lane = self.waiting()
        successor = lane_from_row(row_of(lane), lane.target, START + 1)
        assert [successor.capacity(START + after) for after in (1, 119, 120)] == [0, 0, 1]
        assert successor.wait_status == 503

    def test_pause_is_over_with_the_next_attempt(self) -> None:
        lane = self.waiting()
        lane.on_started(1, START + 121)
        assert row_of(lane).wait_until is None
        assert (lane.wait_until, lane.wait_since, lane.wait_status) == (None, None, None)

    @pytest.mark.parametrize("change", ["reset_at", "repaired_at"])
    @pytest.mark.parametrize(("at", "is_blocked"), [(START - 1, True), (START + 1, False)])
    def test_pause_ends_when_the_endpoint_is_changed_or_said_to_work(
        self, change: str, at: float, is_blocked: bool
    ) -> None:
        lane = self.waiting()
        lane.refresh(make_target(**{change: at}), START + 2)
        assert lane.is_blocked(START + 2) == is_blocked

    def test_pause_moves_with_the_clock(self) -> None:
        lane = self.waiting()
        shift(lane, -3600)
        assert (lane.wait_until, lane.wait_since) == (START + 120 - 3600, START - 3600)

    def test_pause_of_a_clock_that_went_back_before_the_next_owner_is_no_longer_than_it_was(self) -> None:
        lane = self.waiting()
        successor = lane_from_row(row_of(lane), lane.target, START - 3600)
        assert [successor.capacity(START - 3600 + after) for after in (0, 119, 120)] == [0, 0, 1]

    def test_burst_of_429_opens_the_breaker_at_once(self) -> None:
        lane = make_lane()
        lane.on_started(64, START)
        for _ in range(64):
            lane.on_attempt_ended(Outcome(START, 1, 429, Failure.STATUS, overloaded=True), START + 0.1)
        assert lane.is_blocked(START + 0.1)
        assert lane.capacity(START + 0.1 + FIRST_PAUSE) == 1

    def test_burst_of_timeouts_does_not(self) -> None:
        lane = make_lane()
        lane.on_started(64, START)
        for _ in range(64):
            lane.on_attempt_ended(Outcome(START, 1_000, failure=Failure.TIMEOUT, overloaded=True), START + 1)
        assert not lane.is_blocked(START + 1)
