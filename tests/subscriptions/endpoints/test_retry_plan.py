"""Retry plans given by their growth, as lists of waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.endpoints.retry_plan import MAX_WAIT, MAX_WAITS, exponential_waits


@pytest.mark.parametrize(
    ("plan", "waits"),
    [
        ({"first": 5, "attempts": 2}, [5]),
        ({"first": 5, "attempts": 5}, [5, 10, 20, 40]),
        ({"first": 5, "attempts": 5, "factor": 1}, [5, 5, 5, 5]),
        ({"first": 10, "attempts": 6, "factor": 3, "cap": 300}, [10, 30, 90, 270, 300]),
        ({"first": 1, "attempts": 5, "factor": 1.5}, [1, 2, 2, 3]),  # rounded at the end, not at each step
        ({"first": 600, "attempts": 3, "cap": 60}, [60, 60]),
        ({"first": 5, "horizon": 35}, [5, 10, 20]),
        ({"first": 5, "horizon": 34}, [5, 10]),
        ({"first": 5, "attempts": 3, "horizon": 10**6}, [5, 10]),
        ({"first": 1, "factor": 1, "horizon": 10**6}, [1] * MAX_WAITS),
    ],
)
def test_waits_grow_by_the_factor_up_to_the_cap(plan, waits):
    assert exponential_waits(**plan) == waits


WAIT = st.integers(1, MAX_WAIT)


@given(first=WAIT, attempts=st.integers(2, MAX_WAITS + 1), factor=st.floats(1, 100), cap=WAIT)
def test_plan_has_one_wait_less_than_attempts_and_never_shrinks(first, attempts, factor, cap):
    waits = exponential_waits(first=first, attempts=attempts, factor=factor, cap=cap)
    assert len(waits) == attempts - 1
    assert waits == sorted(waits)
    assert 1 <= waits[0] <= waits[-1] <= cap
