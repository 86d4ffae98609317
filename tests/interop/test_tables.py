"""Test that the tables have a column for tests that exist, and show a failure."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.interop.tables import HOSTS, PARTS, SENDERS, Part, Results

ROOT = Path(__file__).resolve().parents[2]


def report(
    nodeid: str, *, when: str = "call", passed: bool = True, properties: tuple[Any, ...] = ()
) -> pytest.TestReport:
    given = {"nodeid": nodeid, "when": when, "passed": passed, "longrepr": "why", "user_properties": properties}
    return cast(pytest.TestReport, SimpleNamespace(**given))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.row)
def test_every_column_is_a_test_that_exists(part: Part) -> None:
    texts = "".join((ROOT / path).read_text() for path in part.tests)
    assert all(f"def {function}(" in texts for function in part.columns)


def test_result_is_a_cell_of_the_case_under_the_name_of_its_test() -> None:
    results = Results(SENDERS)
    results.pytest_runtest_logreport(report("a.py::test_genuine_message_is_accepted[zoom]"))
    results.pytest_runtest_logreport(report("a.py::test_altered_message_is_rejected[zoom]", passed=False))
    assert results.cells == {"zoom": {"genuine": "accepted", "altered": "FAILED: not refused"}}
    assert results.failures == {"a.py::test_altered_message_is_rejected[zoom]": "why"}


def test_recorded_properties_are_the_cells_of_a_row() -> None:
    results = Results(HOSTS)
    results.pytest_runtest_logreport(report("a.py::test_host[uwsgi-]", properties=(("small, whole", "202 200"),)))
    assert results.cells == {"uwsgi": {"small, whole": "202 200"}}


def test_failure_before_the_test_is_a_failure_of_the_case() -> None:
    results = Results(HOSTS)
    results.pytest_runtest_logreport(report("a.py::test_host[uwsgi-]", when="setup"))
    assert results.cells == {}
    results.pytest_runtest_logreport(report("a.py::test_host[uwsgi-]", when="setup", passed=False))
    assert results.cells == {"uwsgi": {"test_host": "FAILED: not as expected"}}
