"""Test the waits between the attempts of a receipt."""

import pytest

from webhooks.processing.running.retry_plan import DEFAULT_PLAN, wait_after


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
def test_wait_after_follows_the_default_plan(attempts: int, chance: float, expected: float | None) -> None:
    assert wait_after(attempts, chance) == expected


@pytest.mark.parametrize(("attempts", "expected"), [(1, 10), (2, 20), (3, None)])
def test_wait_after_with_a_plan_of_the_source_follows_it(attempts: int, expected: float | None) -> None:
    assert wait_after(attempts, 0.5, [10, 20]) == expected


def test_wait_after_with_an_empty_plan_allows_one_attempt() -> None:
    assert wait_after(1, 0.5, []) is None
