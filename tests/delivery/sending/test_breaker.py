"""The circuit breaker alone. How a lane obeys it: test_lane."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.sending.breaker import FIRST_PAUSE, LONGEST_PAUSE, OPEN_AFTER_FAILURES, OPEN_AFTER_SECONDS, Breaker

START = 1_900_000_000.0


def opened() -> Breaker:
    breaker = Breaker()
    for number in range(OPEN_AFTER_FAILURES):
        breaker.on_failure(START + number * OPEN_AFTER_SECONDS / (OPEN_AFTER_FAILURES - 1))
    return breaker


def test_on_failure_returns_true_only_when_it_opens() -> None:
    breaker = Breaker()
    results = [breaker.on_failure(START + number) for number in range(OPEN_AFTER_FAILURES + 10)]
    assert results == [False] * (OPEN_AFTER_FAILURES - 1) + [True] + [False] * 10


@pytest.mark.parametrize(
    ("after", "is_open", "is_half_open"),
    [
        (0.0, True, False),
        (FIRST_PAUSE - 0.1, True, False),
        (FIRST_PAUSE, False, True),
        (FIRST_PAUSE + 3600, False, True),
    ],
)
def test_breaker_is_open_for_a_pause_and_half_open_after_it(after: float, is_open: bool, is_half_open: bool) -> None:
    breaker, now = opened(), START + OPEN_AFTER_SECONDS + after
    assert (breaker.is_open(now), breaker.is_half_open(now)) == (is_open, is_half_open)


def test_on_success_resets_everything() -> None:
    breaker = opened()
    breaker.on_success()
    assert breaker == Breaker()


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2_000)), max_size=80))
def test_breaker_is_never_open_for_longer_than_the_longest_pause(story: list[tuple[bool, float]]) -> None:
    breaker, now = Breaker(), START
    for succeeds, wait in story:
        now += wait
        if succeeds:
            breaker.on_success()
        else:
            breaker.on_failure(now)
        assert not breaker.is_open(now + LONGEST_PAUSE)
        assert breaker.open_count == 0 or breaker.failing_since is not None
