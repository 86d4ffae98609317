"""Test the command line: the selected rows, the reports, and the exit status."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks.result import Check, Result
from benchmarks.rows import ROWS
from benchmarks.wire.programs import NoCompilerError

QUOTED = {  # by README.md, docs/why/*.md and docs/scale.md
    *("start", "idle", "memory", "hot-endpoint", "publish", "fan-out", "latency", "slow-4", "slow-19", "outage"),
    *(
        "drain",
        "batches",
        "sqs",
        "one-to-one",
        "hanging",
        "failing",
        "crowd",
        "routing",
        "schedules",
        "receive",
        "receive-handled",
        "outbox",
        "kafka",
        "kafka-out",
        "amqp",
        "poll",
        "changes",
        "large-body",
    ),
    *("megabyte", "endpoints-1000", "endpoints-10000", "snapshot", "backlog-large", "finished", "soak"),
}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Result]:
    """Make the command measure nothing and report these results; the chosen rows are in `measured.rows`."""
    results = [Result(10, 5.0, name="drain"), Result(10, 5.0, name="idle")]
    monkeypatch.setattr(command, "OUT", tmp_path)
    monkeypatch.setattr(command, "run", lambda *_: ({"processors": "2"}, results))
    monkeypatch.setattr("sys.argv", ["benchmarks", "--quick"])
    return results


def test_rows_have_unique_names_and_include_every_quoted_row() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert set(names) == QUOTED


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], [row.name for row in ROWS]),
        (["--quick"], [row.name for row in ROWS if row.quick]),
        (["--quick", "--only", "soak"], ["soak"]),
        (["--only", "drain", "--only", "idle"], ["idle", "drain"]),
    ],
)
def test_arguments_select_the_rows(
    monkeypatch: pytest.MonkeyPatch, measured: list[Result], arguments: list[str], names: list[str]
) -> None:
    chosen: list[Any] = []
    monkeypatch.setattr(command, "run", lambda rows, quick, usual: chosen.extend([quick, *rows]) or ({}, measured))
    monkeypatch.setattr("sys.argv", ["benchmarks", *arguments])
    assert command.main() == 0
    assert chosen[0] is ("--quick" in arguments)
    assert [row.name for row in chosen[1:]] == names


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [([], True), (["--quick"], False), (["--only", "drain"], False), (["--only", "drain", "--usual"], True)],
)
def test_usual_way_is_measured_in_the_full_run_and_where_it_is_chosen(
    monkeypatch: pytest.MonkeyPatch, measured: list[Result], arguments: list[str], expected: bool
) -> None:
    chosen: list[bool] = []
    monkeypatch.setattr(command, "run", lambda rows, quick, usual: chosen.append(usual) or ({}, measured))
    monkeypatch.setattr("sys.argv", ["benchmarks", *arguments])
    assert command.main() == 0
    assert chosen == [expected]


def test_unknown_row_is_rejected_with_the_known_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "--only", "nonsense"])
    with pytest.raises(SystemExit):
        command.main()
    assert "receive-handled" in capsys.readouterr().err


@pytest.mark.parametrize(("holds", "status"), [(True, 0), (False, 1)])
def test_main_writes_the_reports_and_exits_1_if_a_check_fails(
    measured: list[Result], tmp_path: Path, capsys: pytest.CaptureFixture[str], holds: bool, status: int
) -> None:
    measured[0].checks = [Check("every delivery arrived once", holds, "9 of 10")]
    assert command.main() == status
    table = (tmp_path / "report.md").read_text()
    assert ("- drain failed: every delivery arrived once: 9 of 10" in table) is not holds
    assert table in capsys.readouterr().out
    rows = json.loads((tmp_path / "report.json").read_text())["rows"]
    assert [(row["name"], row["is_valid"]) for row in rows] == [("drain", holds), ("idle", True)]


def test_main_without_a_compiler_says_so_and_exits_2(
    monkeypatch: pytest.MonkeyPatch, measured: list[Result], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: object) -> None:
        raise NoCompilerError("needs a C compiler")

    monkeypatch.setattr(command, "run", run)
    assert command.main() == 2
    assert "needs a C compiler" in capsys.readouterr().err
