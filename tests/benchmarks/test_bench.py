"""Test the measurements that rows share: rates, waiting, batches and checks."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import bench as module
from benchmarks.bench import Bench, Stretch, StuckError, all_have_status, counted, end_to_end_rate, holds_within, rate
from benchmarks.result import Check, Cost
from benchmarks.wire.messages import publish_batch
from benchmarks.wire.programs import Arrival, Response

SECOND = 1_000_000_000


def make_bench(tmp_path: Path, **fields: Any) -> Bench:
    fake_system: Any = SimpleNamespace(is_usual=False, **fields)
    sink: Any = SimpleNamespace(count=7)
    unused: Any = None
    return Bench(tmp_path, unused, sink, lambda directory: fake_system, quick=True)


def test_rate_counts_from_the_first_arrival_and_end_to_end_rate_from_the_first_request() -> None:
    arrivals = [Arrival(at * SECOND, 0, 0) for at in (10, 11, 12)]
    assert rate(arrivals) == pytest.approx(1.0)
    responses = [Response(0, 6 * SECOND, 7 * SECOND, 202)]
    assert end_to_end_rate(Stretch(responses, arrivals, Cost(), [])) == pytest.approx(0.5)


def test_all_have_status_names_the_other_statuses() -> None:
    check = all_have_status([Response(0, 0, 0, status) for status in (202, 503, 0, 503)])
    assert (check.holds, check.found) == (False, "also [0, 503]")
    assert all_have_status([Response(0, 0, 0, 202)]).holds


def test_counted_holds_for_the_expected_number_only() -> None:
    assert counted("rows", 9, 10) == Check("rows", False, "9 of 10")
    assert counted("rows", 10, 10).holds


def test_wait_returns_when_the_figure_is_reached_and_raises_when_it_stops_changing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    figures = iter([3, 2, 1, 0])
    make_bench(tmp_path).wait("deliveries", lambda: next(figures), lambda figure: figure == 0)
    assert list(figures) == []
    monkeypatch.setattr(module, "STUCK_AFTER", 0.1)
    with pytest.raises(StuckError, match="deliveries: 5, and no change"):
        make_bench(tmp_path).wait("deliveries", lambda: 5, lambda figure: figure == 0)


def test_batches_contain_the_types_in_equal_parts(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, publish_request=lambda types, size: publish_batch("key", types, size))
    requests = bench.batches([f"bench.lane{lane}" for lane in range(30)])
    assert [request.count(b'"specversion"') for request in requests] == [100, 100, 100]
    assert sum(request.count(b'"bench.lane7"') for request in requests) == 10


def test_checks_fail_where_sink_and_tables_disagree(tmp_path: Path) -> None:
    bench = make_bench(
        tmp_path, number={"attempts": 4, "pending": 1}.__getitem__, ATTEMPTS="attempts", PENDING="pending"
    )
    checks = bench.checks(since=2, expected=5)
    assert [check.holds for check in checks] == [True, False, False]
    assert [check.found for check in checks] == ["5 of 5", "5, 4", "1 pending"]


def test_usual_way_is_measured_with_a_tenth_of_the_deliveries(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    assert (bench.size(100, 1_000), bench.count(100, 1_000)) == (100, 100)
    bench.system.is_usual = True  # type: ignore[misc]
    assert (bench.size(100, 1_000), bench.count(100, 1_000)) == (100, 10)


def test_first_use_starts_the_shared_system_and_empty_leaves_an_unused_one_alone(tmp_path: Path) -> None:
    emptied: list[bool] = []
    bench = make_bench(tmp_path, empty=lambda: emptied.append(True))
    bench.empty()
    assert (emptied, list(tmp_path.iterdir())) == ([], [])
    assert bench.system is bench.system
    bench.empty()
    assert (emptied, len(list(tmp_path.iterdir()))) == ([True], 1)


def test_holds_within_waits_until_the_condition_holds_or_the_time_is_over() -> None:
    looks = iter([False, False, True])
    assert holds_within(lambda: next(looks), 60.0)
    assert list(looks) == []
    assert not holds_within(lambda: False, 0.0)
