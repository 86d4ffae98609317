"""The circuit breaker alone. How a lane obeys it: test_lane."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.lanes.breaker import (
    DAY,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    OPEN_AFTER_FAILURES,
    OPEN_AFTER_SECONDS,
    OUTAGE_FAILURES,
    Breaker,
)

START = 1_900_000_000.0


def opened() -> Breaker:
    breaker = Breaker()
    for number in range(OPEN_AFTER_FAILURES):
        fail(breaker, START + number * OPEN_AFTER_SECONDS / (OPEN_AFTER_FAILURES - 1))
    return breaker


def fail(breaker: Breaker, now: float) -> bool:
    """Fail an attempt that began just now."""
    return breaker.on_failure(now, now)


def test_on_failure_returns_true_only_when_it_opens() -> None:
    breaker = Breaker()
    results = [fail(breaker, START + number) for number in range(OPEN_AFTER_FAILURES + int(FIRST_PAUSE) - 1)]
    assert results == [False] * (OPEN_AFTER_FAILURES - 1) + [True] + [False] * (int(FIRST_PAUSE) - 1)


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


def test_attempt_that_began_before_the_breaker_opened_is_no_probe() -> None:
    breaker, later = opened(), START + OPEN_AFTER_SECONDS + FIRST_PAUSE + 1
    assert not breaker.on_failure(later, started_at=START + OPEN_AFTER_SECONDS)
    assert breaker.is_half_open(later)
    assert breaker.on_failure(later, started_at=later)


def test_pause_ends_at_once_when_the_endpoint_is_said_to_work() -> None:
    breaker, now = opened(), START + OPEN_AFTER_SECONDS + 1
    breaker.probe_now(now)
    assert breaker.is_half_open(now)
    assert breaker.outage_since(now) == START


def test_sign_of_life_resets_everything() -> None:
    breaker = opened()
    breaker.on_sign_of_life()
    assert breaker == Breaker()


def test_outage_is_over_with_a_sign_of_life_after_the_breaker_opened() -> None:
    breaker = opened()
    assert breaker.outage_since(START + OPEN_AFTER_SECONDS + FIRST_PAUSE) == START
    breaker.on_sign_of_life()
    assert breaker.outage_since(START + 60) is None


@pytest.mark.parametrize(
    ("failures", "seconds", "is_outage"),
    [
        (OUTAGE_FAILURES, OPEN_AFTER_SECONDS, True),
        (OUTAGE_FAILURES - 1, OPEN_AFTER_SECONDS * 100, False),
        (OPEN_AFTER_FAILURES * 5, OPEN_AFTER_SECONDS / 2, False),
    ],
)
def test_outage_is_several_failures_in_a_row_over_a_time(failures: int, seconds: float, is_outage: bool) -> None:
    breaker = Breaker()
    for _ in range(failures):
        fail(breaker, START)
    assert (breaker.outage_since(START + seconds) is not None) == is_outage


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2_000)), max_size=80))
def test_breaker_is_never_open_for_longer_than_the_longest_pause(story: list[tuple[bool, float]]) -> None:
    breaker, now = Breaker(), START
    for succeeds, wait in story:
        now += wait
        if succeeds:
            breaker.on_sign_of_life()
        else:
            fail(breaker, now)
        assert not breaker.is_open(now + LONGEST_PAUSE)
        assert breaker.open_count == 0 or breaker.failing_since is not None


def test_breaker_opens_at_once_if_the_endpoint_says_often_that_it_has_too_much_to_do() -> None:
    breaker = Breaker()
    results = [breaker.on_failure(START, START - 1, too_many=True) for _ in range(OPEN_AFTER_FAILURES)]
    assert results == [False] * (OPEN_AFTER_FAILURES - 1) + [True]


def test_every_other_probe_is_the_newest() -> None:
    breaker, now, newest = opened(), START + OPEN_AFTER_SECONDS, []
    for _ in range(80):
        assert breaker.open_until is not None
        now = breaker.open_until
        newest.append(breaker.probes_newest)
        fail(breaker, now)
    assert newest == [True, False] * 40


@pytest.mark.parametrize(
    ("failed_after", "days"),
    [
        ([0.0], 0),
        ([7 * DAY], 1),  # two failures, however far apart
        ([DAY - 1, DAY - 1 + 60, DAY, DAY + 1], 1),
        ([DAY, 2 * DAY - 1], 1),
        ([7 * DAY, 14 * DAY, 21 * DAY], 3),
        ([n * 900.0 for n in range(500)], 5),
    ],
)
def test_failing_days_counts_failures_a_day_apart(failed_after: list[float], days: int) -> None:
    breaker = Breaker()
    for after in [0.0, *failed_after]:
        fail(breaker, START + after)
    assert breaker.failing_days == days
