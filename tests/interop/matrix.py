"""Describe the rows of the interoperability table, run them, and print the results."""

import shutil
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One combination of a program of another project and a case that is tried with it.

    ``run`` is called with the number of messages (``SHORT`` or ``LONG``) and returns the result, of which the part
    before the first semicolon must equal ``expected``. ``needs``: the program that has to be installed, if any.
    """

    part: str
    program: str
    case: str
    run: Callable[[int], str]
    expected: str
    needs: str | None = None

    @property
    def is_absent(self) -> bool:
        """Whether its program is not installed here."""
        return self.needs is not None and shutil.which(self.needs) is None

    @property
    def id(self) -> str:
        return f"{self.program}: {self.case}"


def is_right(row: Row, result: str) -> bool:
    return result.partition(";")[0] == row.expected


SHORT, LONG = 60, 1_500


def present(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if not row.is_absent]


def print_table(rows: Iterable[Row], size: int = LONG) -> int:
    """Run the rows and print each with its result; return how many did not come out as expected."""
    table = Table("part", "program", "case", "expected", "result")
    failed = 0
    for row in rows:
        result = "absent: not tried" if row.is_absent else _result(row, size)
        passed = row.is_absent or is_right(row, result)
        failed += not passed
        table.add_row(row.part, row.program, row.case, row.expected, result, style=None if passed else "bold red")
    console = Console(width=None if Console().is_terminal else 180)
    console.print(table)
    console.print(f"{failed} of {table.row_count} rows failed" if failed else f"all {table.row_count} rows as expected")
    return failed


def _result(row: Row, size: int) -> str:
    try:
        return row.run(size)
    except Exception as error:
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
