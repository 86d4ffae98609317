from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.statements import StatementLog

LINE = "2026-11-23 15:00:00.250 UTC [7] LOG:  duration: {} ms  {}: {}\n"


@pytest.fixture
def log(tmp_path: Path) -> StatementLog:
    path = tmp_path / "log"
    path.write_text("2026-11-23 15:00:00.000 UTC [7] LOG:  started\n")
    connection: Any = SimpleNamespace(execute=lambda statement: None)
    return StatementLog(connection, path, 0.5)


def write(log: StatementLog, *lines: str) -> int:
    """Append; where they begin."""
    mark = log.mark
    with log._path.open("a") as file:
        file.writelines(lines)
    return mark


def test_a_statement_of_several_lines_is_one_and_known_by_its_text(log: StatementLog) -> None:
    mark = write(
        log,
        LINE.format("0.500", "bind s1", "UPDATE delivery_delivery d\n\t   SET state = r.state"),
        LINE.format("1.500", "execute s1", "UPDATE delivery_delivery d\n\t   SET state = r.state"),
        "2026-11-23 15:00:01.000 UTC [7] LOG:  something else\n",
    )
    found = log.since(mark)
    assert [(one.kind, one.milliseconds, one.is_statement) for one in found] == [
        ("settle", 0.5, False),
        ("settle", 1.5, True),
    ]


def test_what_came_before_the_mark_and_what_is_still_being_written_do_not_count(log: StatementLog) -> None:
    write(log, LINE.format("1.0", "statement", "SELECT 1"))
    mark = write(log, LINE.format("1.0", "statement", "COMMIT"), LINE.format("1.0", "statement", "BEGI").rstrip("\n"))
    assert [one.kind for one in log.since(mark)] == ["commit"]


def test_the_costliest_come_first_with_all_their_calls_and_those_that_were_not_in_the_sample(log: StatementLog) -> None:
    mark = write(
        log,
        LINE.format("1.0", "statement", "SELECT 1"),
        LINE.format("2.0", "execute a", "SELECT\n\t  2"),
        LINE.format("3.0", "execute b", "SELECT 2"),
    )
    first, second = log.top(mark, 10)
    assert first == ("SELECT 2", 4.0, 10.0)
    assert second == ("SELECT 1", 2.0, 2.0)
    assert log.top(mark, 1) == [first]
