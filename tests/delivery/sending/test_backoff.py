import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.sending.backoff import DEFAULT_PLAN, JITTER, planned_wait, wait_after

MIDDLE = 0.5  # the jitter that changes nothing

plans = st.lists(st.integers(1, 7 * 86_400), min_size=1, max_size=20)
jitters = st.floats(0, 1)


def test_the_default_plan_is_the_schedule_of_the_standard() -> None:
    assert len(DEFAULT_PLAN) + 1 == 10
    assert sum(DEFAULT_PLAN) == 75 * 3600 + 35 * 60 + 5


@pytest.mark.parametrize(
    ("step", "jitter", "wait"),
    [(0, MIDDLE, 10), (0, 0.0, 8), (0, 1.0, 12), (1, MIDDLE, 100), (2, MIDDLE, None), (99, MIDDLE, None)],
)
def test_each_failure_has_its_wait_until_the_plan_is_used_up(step: int, jitter: float, wait: float | None) -> None:
    assert planned_wait([10, 100], step, jitter) == (None if wait is None else pytest.approx(wait))


def test_an_empty_plan_never_tries_again() -> None:
    assert wait_after([], 0, jitter=MIDDLE, at_least=60, asked=5) is None


@pytest.mark.parametrize(
    ("at_least", "asked", "wait"),
    [
        (0, None, 10),
        (60, None, 60),
        (5, None, 10),
        (0, 30, 30),
        (0, 3, 10),
        (0, 0, 10),
        (60, 90, 90),
        (60, 30, 60),
        (0, 10**9, 110),  # the horizon: 10 + 100
        (10**9, None, 110),
    ],
)
def test_the_longest_of_what_is_planned_needed_and_asked_for_counts(
    at_least: float, asked: float | None, wait: float
) -> None:
    assert wait_after([10, 100], 0, jitter=MIDDLE, at_least=at_least, asked=asked) == pytest.approx(wait)


@given(plans, st.data(), jitters, st.floats(0, 1e12))
def test_nobody_can_ask_for_more_than_what_is_left_of_the_plan(
    plan: list[int], data: st.DataObject, jitter: float, asked: float
) -> None:
    step = data.draw(st.integers(0, len(plan) - 1))
    wait = wait_after(plan, step, jitter=jitter, asked=asked)
    assert wait is not None
    assert (1 - JITTER) * plan[step] <= wait <= max(sum(plan[step:]), (1 + JITTER) * plan[step]) * (1 + 1e-9)


@given(plans, jitters, jitters)
def test_a_wait_grows_with_its_jitter(plan: list[int], one: float, other: float) -> None:
    waits = [planned_wait(plan, 0, jitter) or 0.0 for jitter in sorted([one, other])]
    assert waits[0] <= waits[1]
