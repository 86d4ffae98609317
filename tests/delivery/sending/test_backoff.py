import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.sending.verdict import DEFAULT_PLAN, JITTER, planned_wait, wait_after

MIDDLE = 0.5  # the jitter that leaves the planned wait unchanged

plans = st.lists(st.integers(1, 7 * 86_400), min_size=1, max_size=20)
jitters = st.floats(0, 1)


def test_default_plan_is_the_schedule_of_the_standard() -> None:
    assert len(DEFAULT_PLAN) + 1 == 10
    assert sum(DEFAULT_PLAN) == 75 * 3600 + 35 * 60 + 5


@pytest.mark.parametrize(
    ("step", "jitter", "wait"),
    [(0, MIDDLE, 10), (0, 0.0, 8), (0, 1.0, 12), (1, MIDDLE, 100), (2, MIDDLE, None), (99, MIDDLE, None)],
)
def test_planned_wait_follows_the_plan_until_it_is_used_up(step: int, jitter: float, wait: float | None) -> None:
    assert planned_wait([10, 100], step, jitter) == (None if wait is None else pytest.approx(wait))


def test_wait_after_with_an_empty_plan_is_none() -> None:
    assert wait_after([], 0, jitter=MIDDLE, retry_after=60) is None


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        (None, 10),
        (60, 60),
        (5, 10),
        (30, 30),
        (3, 10),
        (0, 10),
        (10**9, 110),  # what is left of the plan: 10 + 100
    ],
)
def test_wait_after_is_the_longer_of_planned_and_retry_after(retry_after: float | None, wait: float) -> None:
    assert wait_after([10, 100], 0, jitter=MIDDLE, retry_after=retry_after) == pytest.approx(wait)


@given(plans, st.data(), jitters, st.floats(0, 1e12))
def test_wait_after_never_exceeds_what_is_left_of_the_plan(
    plan: list[int], data: st.DataObject, jitter: float, retry_after: float
) -> None:
    step = data.draw(st.integers(0, len(plan) - 1))
    wait = wait_after(plan, step, jitter=jitter, retry_after=retry_after)
    assert wait is not None
    assert (1 - JITTER) * plan[step] <= wait <= max(sum(plan[step:]), (1 + JITTER) * plan[step]) * (1 + 1e-9)


@given(plans, jitters, jitters)
def test_planned_wait_grows_with_the_jitter(plan: list[int], one: float, other: float) -> None:
    waits = [planned_wait(plan, 0, jitter) or 0.0 for jitter in sorted([one, other])]
    assert waits[0] <= waits[1]
