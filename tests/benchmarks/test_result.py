"""Test results: figures, costs, percentiles and aims."""

import pytest

from benchmarks.result import Check, Cost, Figure, Latency, Result, latency, latency_figures, percentile


def test_result_has_cpu_per_thousand_and_wal_bytes_per_item() -> None:
    result = Result(1_000, 1.0, cost=Cost({"web": 0.0625, "postgres": 0.1875}, 5_000))
    assert result.cpu_ms_per_1000 == pytest.approx(250)
    assert result.wal_bytes_each == 5


def test_figures_are_those_that_the_row_has() -> None:
    full = Result(
        1_000, 5.0, Latency(1.0, 2.0), Cost({"web": 0.5}), more={"memory": Figure(7.0, "MiB")}, unit="requests"
    )
    assert full.figures == {
        "rate": Figure(5.0, "requests/s", more_is_better=True),
        "p50": Figure(1.0, "ms"),
        "p99": Figure(2.0, "ms"),
        "memory": Figure(7.0, "MiB"),
        "CPU": Figure(500.0, "ms per 1,000"),
    }
    assert Result(1).figures == {}


def test_failed_result_has_no_figures() -> None:
    assert Result(1_000, 5.0, checks=[Check("all arrived", False, "9 of 10")]).figures == {}


def test_figure_is_compared_in_its_better_direction() -> None:
    fast, slow = Figure(10.0, "/s", more_is_better=True), Figure(5.0, "/s", more_is_better=True)
    assert (fast.times_better_than(slow), slow.times_better_than(fast)) == (2.0, 0.5)
    short, long = Figure(10.0, "ms"), Figure(20.0, "ms")
    assert (short.times_better_than(long), long.times_better_than(short)) == (2.0, 0.5)
    assert short.times_better_than(Figure(0.0, "ms")) == 0.0


@pytest.mark.parametrize(
    ("figure", "meets"),
    [
        (Figure(100.0, "/s", more_is_better=True), True),
        (Figure(99.9, "/s", more_is_better=True), False),
        (Figure(100.0, "ms"), True),
        (Figure(100.1, "ms"), False),
    ],
)
def test_figure_as_good_as_the_aim_meets_it(figure: Figure, meets: bool) -> None:
    assert figure.meets(100.0) is meets


def test_percentile_is_the_smallest_value_that_covers_the_part() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (50.0, 99.0, 100.0)
    assert latency([7.0]) == (7.0, 7.0)


def test_latency_figures_have_the_name_of_the_latency() -> None:
    assert latency_figures("response", Latency(1.0, 2.0)) == {
        "response p50": Figure(1.0, "ms"),
        "response p99": Figure(2.0, "ms"),
    }
