"""When a failed receipt is tried again."""

import pytest

from webhooks.processing.retry_plan import DEFAULT_PLAN, wait_after


@pytest.mark.parametrize(
    ("attempts", "chance", "expected"),
    [
        (1, 0.5, 5),
        (1, 0.0, 4),
        (1, 1.0, 6),
        (2, 0.5, 30),
        (len(DEFAULT_PLAN), 0.5, 86_400),
        (len(DEFAULT_PLAN) + 1, 0.5, None),
    ],
)
def test_the_wait_after_a_failure(attempts: int, chance: float, expected: float | None) -> None:
    assert wait_after(attempts, chance) == expected


@pytest.mark.parametrize(("attempts", "expected"), [(1, 10), (2, 20), (3, None)])
def test_a_plan_of_ones_own_replaces_it(attempts: int, expected: float | None) -> None:
    assert wait_after(attempts, 0.5, [10, 20]) == expected


def test_a_plan_without_waits_allows_one_attempt() -> None:
    assert wait_after(1, 0.5, []) is None
