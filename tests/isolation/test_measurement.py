"""Test how a measurement is judged."""

import pytest

from tests.isolation.measurement import Activity, Result, percentile


def measured(p99: float, failures: int = 0) -> dict[str, Activity]:
    return {"read": Activity(10, failures, 1.0, p99, "500" if failures else "")}


@pytest.mark.parametrize(
    ("without", "beside", "is_met"),
    [(10.0, 99.0, True), (10.0, 101.0, False), (80.0, 160.0, True), (80.0, 161.0, False)],
)
def test_aim_allows_twice_the_p99_or_100_ms(without: float, beside: float, is_met: bool) -> None:
    assert Result(1, "attack", measured(without), measured(beside)).is_met is is_met


def test_failure_of_the_neighbour_misses_the_aim_and_is_named() -> None:
    result = Result(1, "attack", measured(10), measured(10, failures=2))
    assert result.problems == ["read: 2 of 10 failed, 500"]
    assert not result.is_met


def test_breach_misses_the_aim() -> None:
    result = Result(1, "attack", measured(10), measured(10), breaches=["a forged header is trusted"])
    assert result.problems == ["a forged header is trusted"]
    assert not result.is_met


def test_percentile_is_the_nearest_rank() -> None:
    assert percentile([float(value) for value in range(1, 101)], 0.99) == 99
    assert percentile([1.0, 2.0, 3.0], 0.99) == 3
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2
