"""What a breaker lets through. How a lane follows it: test_lanes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.sending.breaker import LONGEST_PAUSE, PAUSE, TRIP_FAILURES, TRIP_SECONDS, Breaker

START = 1_900_000_000.0


def tripped() -> Breaker:
    breaker = Breaker()
    for number in range(TRIP_FAILURES):
        breaker.failed(START + number * TRIP_SECONDS / (TRIP_FAILURES - 1))
    return breaker


def test_it_says_once_that_it_tripped() -> None:
    breaker = Breaker()
    said = [breaker.failed(START + number) for number in range(TRIP_FAILURES + 10)]
    assert said == [False] * (TRIP_FAILURES - 1) + [True] + [False] * 10


@pytest.mark.parametrize(
    ("after", "is_open", "is_half_open"),
    [(0.0, True, False), (PAUSE - 0.1, True, False), (PAUSE, False, True), (PAUSE + 3600, False, True)],
)
def test_open_for_a_pause_and_half_open_until_somebody_has_tried(
    after: float, is_open: bool, is_half_open: bool
) -> None:
    breaker, now = tripped(), START + TRIP_SECONDS + after
    assert (breaker.is_open(now), breaker.is_half_open(now)) == (is_open, is_half_open)


def test_a_success_forgets_everything() -> None:
    breaker = tripped()
    breaker.succeeded()
    assert breaker == Breaker()


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2_000)), max_size=80))
def test_it_is_never_shut_for_longer_than_the_longest_pause(story: list[tuple[bool, float]]) -> None:
    breaker, now = Breaker(), START
    for succeeds, wait in story:
        now += wait
        if succeeds:
            breaker.succeeded()
        else:
            breaker.failed(now)
        assert not breaker.is_open(now + LONGEST_PAUSE)
        assert breaker.trips == 0 or breaker.failing_since is not None
