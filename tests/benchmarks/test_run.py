"""Test the run of rows: a row that fails does not end it."""

import time
from types import SimpleNamespace
from typing import Any

from benchmarks.result import Check, Result
from benchmarks.rows import Row
from benchmarks.run import measure


def bench() -> Any:
    emptied: list[bool] = []
    return SimpleNamespace(deployment=SimpleNamespace(empty=lambda: emptied.append(True)), emptied=emptied)


def test_measure_of_a_row_that_raises_gives_a_failed_result_with_the_reason() -> None:
    def broken(_: Any) -> Result:
        raise RuntimeError("the sink is gone")

    result = measure(Row("it", "It", broken), bench())
    assert not result.is_valid
    assert result.checks == [Check("the row could be measured", False, "RuntimeError: the sink is gone")]
    assert result.failures == ["the row could be measured: RuntimeError: the sink is gone"]


def test_measure_empties_the_tables_first_and_adds_name_counterpart_and_duration() -> None:
    fake_bench = bench()

    def slow(given: Any) -> Result:
        assert given.emptied == [True]
        time.sleep(0.05)
        return Result(1, 1.0)

    result = measure(Row("it", "It", slow, usual="other"), fake_bench)
    assert (result.name, result.usual, result.is_valid) == ("it", "other", True)
    assert result.seconds >= 0.05
