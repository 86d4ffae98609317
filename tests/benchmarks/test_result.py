"""Test results: ratios, costs, percentiles and aims."""

import pytest

from benchmarks.result import Cost, Result, compare, latency, percentile


def result(name: str, rate: float, cpu: float, usual: str = "") -> Result:
    return Result(1_000, rate, cost=Cost({"web": cpu / 4, "postgres": cpu * 3 / 4}, 5_000), name=name, usual=usual)


def test_compare_sets_the_ratios_to_the_usual_counterpart_in_any_order() -> None:
    drain, usual, idle = result("drain", 9_000.0, 0.1, "usual"), result("usual", 200.0, 5.0), result("idle", 50.0, 1.0)
    compare([drain, usual, idle])
    assert (drain.rate_ratio, drain.cpu_ratio) == pytest.approx((45.0, 50.0))
    assert (usual.rate_ratio, idle.rate_ratio) == (0.0, 0.0)


def test_compare_with_a_usual_way_that_failed_sets_no_ratio() -> None:
    drain = result("drain", 9_000.0, 0.1, "usual")
    compare([drain, result("usual", 0.0, 0.0)])
    assert drain.rate_ratio == 0.0


def test_result_has_cpu_per_thousand_and_wal_bytes_per_item() -> None:
    assert result("drain", 1.0, 0.25).cpu_ms_per_1000 == pytest.approx(250)
    assert result("drain", 1.0, 0.25).wal_bytes_each == 5


def test_percentile_is_the_smallest_value_that_covers_the_part() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (50.0, 99.0, 100.0)
    assert latency([7.0]) == (7.0, 7.0)


@pytest.mark.parametrize(("rate", "holds"), [(100.0, True), (99.9, False)])
def test_aim_is_met_at_its_rate(rate: float, holds: bool) -> None:
    aim = Result(1, rate, unit="requests").aim_at_least(100).aim
    assert aim is not None
    assert (aim.what, aim.holds) == ("at least 100 requests/s", holds)
