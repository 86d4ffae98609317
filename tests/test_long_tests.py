"""Test that long tests come first, and that their list names files that are there."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.long_tests import LONG, long_first

ROOT = Path(__file__).resolve().parents[1]


def item(name: str, number: int = 0) -> Any:
    return SimpleNamespace(path=ROOT / name, number=number)


def test_long_tests_come_first_by_their_length_and_the_order_is_kept_otherwise() -> None:
    short = [item("tests/test_clock.py", 1), item("tests/api/test_roles.py", 2), item("tests/test_clock.py", 3)]
    longest, another = [item(LONG[0], 4), item(LONG[0], 5)], item(LONG[1], 6)
    given = [short[0], another, short[1], longest[0], short[2], longest[1]]
    assert long_first(given, ROOT) == [*longest, another, *short]


def test_listed_files_exist() -> None:
    assert [name for name in LONG if not (ROOT / name).is_file()] == []
