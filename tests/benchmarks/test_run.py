"""No row ends the run."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import __main__ as door
from benchmarks import run as running
from benchmarks.catalogue import Entry
from benchmarks.figures import Check, Row
from benchmarks.sizes import Sizes


class Bench(SimpleNamespace):
    """As much of one as a row that measures nothing needs."""

    def __init__(self, **fields: Any) -> None:
        self.recovered = 0
        stand = SimpleNamespace(recover=self.recover)
        super().__init__(sizes=Sizes(quick=True), flames=None, stand=stand, begin=lambda row: None, **fields)

    def recover(self) -> None:
        self.recovered += 1


def entry(measure: Any) -> Entry:
    return Entry("it", measure, 1, 1, "something")


def test_a_row_that_raises_is_a_failed_row_with_its_reason_and_the_platform_is_looked_after() -> None:
    def broken(bench: Any) -> Row:
        raise RuntimeError("the sink is gone")

    bench: Any = Bench()
    row = running.measured(entry(broken), bench)
    assert not row.holds
    assert row.checks == [Check("it could be measured", False, "RuntimeError: the sink is gone")]
    assert bench.recovered == 1


def test_a_row_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "TIMES", 0)
    monkeypatch.setattr(running, "GRACE", 0.05)

    def endless(bench: Any) -> Row:
        while True:
            time.sleep(0.01)

    row = running.measured(entry(endless), Bench())  # type: ignore[arg-type]
    assert row.checks[0].found.startswith("TooLong: it was not over after")


def test_a_platform_that_does_not_come_back_is_told_of_and_ends_nothing() -> None:
    def dead() -> None:
        raise RuntimeError("the platform does not start")

    bench: Any = Bench()
    bench.stand.recover = dead
    row = running.measured(entry(lambda bench: 1 / 0), bench)
    assert [check.what for check in row.checks] == ["it could be measured", "the platform runs again"]


def test_a_row_knows_how_long_it_took() -> None:
    def slow(bench: Any) -> Row:
        time.sleep(0.05)
        return Row("it", "It", "", 1, 1.0)

    assert running.measured(entry(slow), Bench()).took >= 0.05  # type: ignore[arg-type]


@pytest.mark.parametrize(("holds", "status"), [(True, 0), (False, 1)])
def test_the_status_says_whether_all_rows_hold_and_all_reports_are_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, holds: bool, status: int
) -> None:
    rows = [
        Row("drain", "Drain", "", 10, 5.0, checks=[Check("all arrived", holds, "<9 of 10>")]),
        Row("idle", "Idle", "", 10, 5.0, checks=[Check("all arrived", True, "10 of 10")]),
    ]
    monkeypatch.setattr(door, "OUT", tmp_path)
    monkeypatch.setattr(door, "run", lambda *_: ({"took": "1 s", "sink and generator": "C"}, rows))
    monkeypatch.setattr("sys.argv", ["benchmarks", "--quick"])
    assert door.main() == status
    html, table = (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()
    assert ("failed: all arrived: &lt;9 of 10&gt;" in html) is not holds
    assert ("- drain: all arrived: <9 of 10>" in table) is not holds
    assert (tmp_path / "report.json").exists()
