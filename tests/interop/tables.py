"""Run tests of `make test`, and print what came out as a table instead: hosts by bodies, senders by messages.

The cells are those tests themselves, so nothing is described twice. A test that records properties fills a row with
them; otherwise a test function is a column, and what it is parametrized by is the row.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from rich.console import Console
from rich.table import Table

_ID = re.compile(r"(?P<function>[^\[]+)(?:\[(?P<case>.*)\])?")
Cells = dict[str, dict[str, str]]  # by row, by column


@dataclass(frozen=True)
class Part:
    """A table: the tests whose results it has.

    ``columns``: for each test function that is a column its heading and the word for its success; empty where the tests
    record properties, which are then the columns.
    """

    title: str
    row: str
    tests: Sequence[str]
    columns: dict[str, tuple[str, str]] = field(default_factory=dict)


_PRESETS = "tests/webhooks/senders/test_presets.py"
_HTTP = "tests/webhooks/receiving/test_senders.py"
HOSTS = Part(
    "Hosts by bodies: status of the first message, and of its repeat", "host", ["tests/journeys/test_hosts.py"]
)
SENDERS = Part(
    "Senders by messages",
    "sender",
    [_PRESETS, _HTTP],
    {
        "test_genuine_message_is_accepted": ("genuine", "accepted"),
        "test_message_to_a_source_by_name_is_stored_and_answered_as_its_sender_wants": ("over HTTP", "stored"),
        "test_altered_message_is_rejected": ("altered", "refused"),
        "test_replayed_and_forward_dated_messages_are_rejected": ("replayed", "refused"),
        "test_rotated_secret_is_accepted_beside_the_old_one_and_no_other": ("rotated", "accepted"),
        "test_message_without_its_proof_is_rejected": ("no proof", "refused"),
        "test_forged_message_to_a_source_by_name_is_refused": ("forged", "refused"),
        "test_handshake_is_answered_as_the_sender_documents_it_and_stores_nothing": ("handshake", "answered"),
    },
)
PARTS = (HOSTS, SENDERS)


class Results:
    """The cells of a part and the failures behind them, collected as a plugin of pytest."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.cells: Cells = {}
        self.failures: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out tests that have no column."""
        if self.part.columns:
            items[:] = [item for item in items if function_and_case(item.name)[0] in self.part.columns]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Put a result into its cell."""
        if report.when != "call" and report.passed:
            return
        function, case = function_and_case(report.nodeid.rpartition("::")[2])
        row = self.cells.setdefault(case.strip("- ") or function, {})
        if not report.passed:
            self.failures[report.nodeid] = str(report.longrepr)
        heading, success = self.part.columns.get(function, (function, "as expected"))
        for name, value in report.user_properties or [(heading, success)]:
            row[name] = str(value) if report.passed else f"FAILED: not {value}"


def print_part(part: Part) -> int:
    """Run the tests of a part and print its table; return how many failed, or 1 if none ran."""
    results = Results(part)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    status = pytest.main([*part.tests, "-q", "--no-header", "--no-summary", "-p", "no:randomly"], plugins=[results])
    headings = [heading for heading, _ in part.columns.values()]
    columns = list(dict.fromkeys([*headings, *(name for row in results.cells.values() for name in row)]))
    table = Table(part.row, *columns, title=part.title)
    for name, row in sorted(results.cells.items()):
        failed = any("FAILED" in cell for cell in row.values())
        table.add_row(name, *(row.get(column, "-") for column in columns), style="bold red" if failed else None)
    console = Console(width=None if Console().is_terminal else 180)
    console.print(table)
    for nodeid, failure in results.failures.items():
        console.print(nodeid, failure, sep="\n", markup=False)
    return len(results.failures) or int(status != pytest.ExitCode.OK)


def function_and_case(name: str) -> tuple[str, str]:
    """Return the test function and what it is parametrized by, from the name of a test."""
    found = _ID.fullmatch(name)
    assert found is not None
    return found["function"], found["case"] or ""
