"""The concurrency window of an endpoint, with a clock of the test's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.lanes.concurrency import INITIAL_WINDOW, MIN_SHRINK_INTERVAL, SLOW_DIFFERENCE, ConcurrencyWindow
from delivery.transports.outcome import Failure, Outcome

START = 1_900_000_000.0


def success(ms: int = 10) -> Outcome:
    return Outcome(START, ms, status=200)


def used(limit: int, **fields: float) -> ConcurrencyWindow:
    """Make the window of an endpoint to which as many attempts were in flight as it allows."""
    return ConcurrencyWindow(limit, **fields, most_used=limit)  # type: ignore[arg-type]


OVERLOADED = Outcome(START, 5, failure=Failure.STATUS, overloaded=True)
FAILED = Outcome(START, 5, failure=Failure.STATUS)


class TestGrowing:
    def test_window_of_an_unknown_endpoint_starts_small(self) -> None:
        assert ConcurrencyWindow(512).allowed == INITIAL_WINDOW

    def test_window_grows_by_one_for_each_success_up_to_the_limit(self) -> None:
        window = used(INITIAL_WINDOW + 4)
        sizes = []
        for _ in range(6):
            window.on_attempt_ended(success(), START)
            sizes.append(window.allowed)
        assert sizes == [INITIAL_WINDOW + more for more in (1, 2, 3, 4, 4, 4)]

    def test_window_grows_to_twice_what_is_in_use(self) -> None:
        window = ConcurrencyWindow(512, size=4)
        window.on_started(3)
        for _ in range(100):
            window.on_attempt_ended(success(), START)
        assert window.allowed == 6

    def test_window_of_a_slow_endpoint_keeps_up_after_one_response_time(self) -> None:
        """At 50 events per second and 5 seconds each, 250 attempts are in flight."""
        window = ConcurrencyWindow(512)
        window.on_started(INITIAL_WINDOW)
        for _ in range(INITIAL_WINDOW):
            window.on_attempt_ended(success(5_000), START)
        assert window.allowed >= 250

    def test_window_obeys_a_lower_limit_at_once(self) -> None:
        window = ConcurrencyWindow(512)
        window.limit = 3
        assert window.allowed == 3


class TestShrinking:
    def test_window_is_halved_by_an_overloaded_outcome(self) -> None:
        window = ConcurrencyWindow(512)
        window.on_attempt_ended(OVERLOADED, START)
        assert window.allowed == INITIAL_WINDOW // 2

    def test_window_is_unchanged_by_a_failure_without_overload(self) -> None:
        window = ConcurrencyWindow(512)
        window.on_attempt_ended(FAILED, START)
        assert window.allowed == INITIAL_WINDOW

    def test_window_shrinks_once_for_the_outcomes_of_one_instant(self) -> None:
        window = ConcurrencyWindow(512)
        for _ in range(INITIAL_WINDOW):
            window.on_attempt_ended(OVERLOADED, START)
        assert window.allowed == INITIAL_WINDOW // 2
        window.on_attempt_ended(OVERLOADED, START + MIN_SHRINK_INTERVAL)
        assert window.allowed == INITIAL_WINDOW // 4

    @given(st.lists(st.sampled_from([OVERLOADED, FAILED, success(), success(9_000)])))
    def test_window_stays_between_one_and_the_limit(self, outcomes: list[Outcome]) -> None:
        window = used(24)
        for second, outcome in enumerate(outcomes):
            window.on_attempt_ended(outcome, START + second)
            assert 1 <= window.allowed <= 24


class TestLatency:
    def slowed(self, ms: int, *, after: float = 1.0) -> int:
        window = used(512, size=100)
        window.on_attempt_ended(success(100), START)
        window.on_attempt_ended(success(ms), START + after)
        return window.allowed

    def test_window_shrinks_when_latency_grows_much(self) -> None:
        assert self.slowed(int(1000 * SLOW_DIFFERENCE) + 200) == 80

    def test_window_grows_when_latency_grows_little(self) -> None:
        assert self.slowed(400) == 102

    def test_window_accepts_a_new_normal_latency_with_time(self) -> None:
        assert self.slowed(700, after=300.0) == 102

    def test_window_recovers_with_the_latency(self) -> None:
        window = used(512, size=100)
        window.on_attempt_ended(success(100), START)
        for second in range(1, 11):
            window.on_attempt_ended(success(5_000), START + second)
        low = window.allowed
        for _ in range(50):
            window.on_attempt_ended(success(100), START + 20)
        assert (low < 15, window.allowed) == (True, low + 50)


def test_useful_before_the_first_response_grows_with_the_time_it_takes() -> None:
    window = ConcurrencyWindow(64)
    assert [window.useful(50, seconds) for seconds in (0.0, 0.01, 5.0)] == [1, 10, 5_000]


@pytest.mark.parametrize(
    ("milliseconds", "waiting", "useful"), [(0, 50, 1), (1, 100, 2), (50, 10, 10), (5_000, 3, 300)]
)
def test_useful_is_how_many_at_once_send_what_waits_in_time(milliseconds: int, waiting: int, useful: int) -> None:
    window = ConcurrencyWindow(64)
    window.on_attempt_ended(Outcome(0.0, milliseconds, 200), 0.0)
    assert window.useful(waiting) == useful
