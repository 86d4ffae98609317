"""Run the short form of every row whose program is installed here."""

import pytest

from tests.interop.matrix import SHORT, Row, is_right, present
from tests.interop.receivers.rows import RECEIVERS

PROGRAMS = {"nginx", "node", "go"}


@pytest.mark.parametrize("row", present(RECEIVERS), ids=lambda row: row.id)
def test_receiver_gets_every_message(row: Row) -> None:
    result = row.run(SHORT)
    assert is_right(row, result), result


def test_rows_of_absent_programs_are_known_by_their_programs() -> None:
    absent = {row.needs for row in RECEIVERS if row.is_absent}
    print("absent here, and not tried:", ", ".join(sorted(map(str, absent))) or "nothing")
    assert {row.needs for row in RECEIVERS if row.needs} == PROGRAMS
    assert absent <= PROGRAMS
