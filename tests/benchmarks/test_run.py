"""Test the run of rows: a row that fails does not end it."""

import time
from types import SimpleNamespace
from typing import Any

from benchmarks.result import Check, Figure, Latency, Result
from benchmarks.rows import Row
from benchmarks.run import in_words, measure


def bench() -> Any:
    emptied: list[bool] = []
    return SimpleNamespace(empty=lambda: emptied.append(True), emptied=emptied)


def test_measure_of_a_row_that_raises_gives_a_failed_result_with_the_reason() -> None:
    def broken(_: Any) -> Result:
        raise RuntimeError("the sink is gone")

    result = measure(Row("it", "It", broken), bench())
    assert not result.is_valid
    assert result.checks == [Check("the row could be measured", False, "RuntimeError: the sink is gone")]
    assert result.failures == ["the row could be measured: RuntimeError: the sink is gone"]


def test_measure_empties_the_tables_first_and_adds_name_aims_and_duration() -> None:
    fake_bench = bench()

    def slow(given: Any) -> Result:
        assert given.emptied == [True]
        time.sleep(0.05)
        return Result(1, 1.0)

    result = measure(Row("it", "It", slow, {"rate": 2.0}), fake_bench)
    assert (result.name, result.aims, result.is_valid) == ("it", {"rate": 2.0}, True)
    assert result.seconds >= 0.05


def test_in_words_lists_every_figure_or_why_there_are_none() -> None:
    result = Result(1, 1_234.5, Latency(1.0, 2.0), more={"memory": Figure(7.0, "MiB")})
    assert in_words(result) == "rate 1,234.5 deliveries/s, p50 1.0 ms, p99 2.0 ms, memory 7.0 MiB"
    failed = [Check("all arrived", False, "9 of 10"), Check("none is pending", False, "1")]
    assert in_words(Result(1, checks=failed)) == "FAILED: all arrived: 9 of 10; none is pending: 1"
