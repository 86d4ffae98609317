"""Test the rule that says which figures became worse."""

import pytest

from benchmarks.comparison import Change, Measured, changes, is_significant
from benchmarks.result import Check, Cost, Figure, Latency, Result


def change(*ratios: float) -> Change:
    return Change("it", "p50, ms", 1.0, 1.0, list(ratios))


@pytest.mark.parametrize(("pairs", "needed"), [(5, 5), (6, 6), (7, 7), (8, 7), (9, 8), (10, 9), (20, 15)])
def test_sign_test_needs_so_many_of_the_pairs(pairs: int, needed: int) -> None:
    assert is_significant(needed, pairs)
    assert not is_significant(needed - 1, pairs)


def test_sign_test_of_fewer_than_five_pairs_finds_nothing() -> None:
    assert not any(is_significant(pairs, pairs) for pairs in range(5))


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ((0.90, 0.91, 0.80, 0.93, 0.85), "worse"),
        ((1.10, 1.20, 1.11, 1.30, 1.15), "better"),
        ((0.96, 0.97, 0.98, 0.96, 0.97), "same"),  # all worse, but by less than the margin
        ((0.60, 1.10, 0.70, 0.80, 0.90), "unclear"),  # one pair says the opposite
        ((1.60, 0.90, 1.70, 1.80, 1.90), "unclear"),
        ((0.50, 0.50, 0.50, 0.50), "not judged"),
        ((0.5, 0.6, 0.5, 0.6, 0.5, 0.6, 0.5, 1.1), "worse"),  # seven of eight
        ((0.5, 0.6, 0.5, 0.6, 0.5, 0.6, 1.2, 1.1), "unclear"),
    ],
)
def test_verdict_needs_a_median_beyond_the_margin_and_pairs_that_agree(ratios: tuple[float, ...], verdict: str) -> None:
    assert change(*ratios).verdict == verdict


def test_margin_is_the_same_in_both_directions() -> None:
    assert change(*[0.9501] * 5).verdict == change(*[1 / 0.9501] * 5).verdict == "same"
    assert (change(*[0.9499] * 5).verdict, change(*[1 / 0.9499] * 5).verdict) == ("worse", "better")


def result(rate: float, p50: float, **more: Figure) -> Result:
    return Result(1_000, rate, Latency(p50, 9.0), Cost({"web": p50}), more=dict(more))


def test_changes_have_medians_and_the_ratio_of_each_pair_in_the_better_direction() -> None:
    pairs = [(result(100.0, 2.0), result(200.0, 1.0)), (result(110.0, 2.0), result(110.0, 4.0))]
    pairs.append((result(120.0, 2.0), result(60.0, 2.0)))
    found = {one.figure: one for one in changes(Measured("it", pairs))}
    assert list(found) == ["rate, deliveries/s", "p50, ms", "p99, ms", "CPU, ms per 1,000"]
    assert found["rate, deliveries/s"] == Change("it", "rate, deliveries/s", 110.0, 110.0, [2.0, 1.0, 0.5])
    assert found["p50, ms"] == Change("it", "p50, ms", 2.0, 2.0, [2.0, 0.5, 1.0])
    assert found["p99, ms"].ratios == [1.0, 1.0, 1.0]


def test_figures_that_one_side_has_not_or_that_are_zero_are_left_out() -> None:
    new, zero = Figure(1.0, "ms"), Figure(0.0, "ms/s")
    pairs = [(result(1.0, 1.0, idle=zero), result(1.0, 1.0, idle=zero, new=new))]
    assert [one.figure.split(",")[0] for one in changes(Measured("it", pairs))] == ["rate", "p50", "p99", "CPU"]


def test_row_without_a_valid_pair_has_no_changes() -> None:
    failed = Result(1, 5.0, checks=[Check("all arrived", False)])
    assert changes(Measured("it")) == []
    assert changes(Measured("it", [(failed, result(1.0, 1.0))])) == []
