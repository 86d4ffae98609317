import subprocess
from pathlib import Path

import pytest

from benchmarks import flames
from benchmarks.flames import Flames, reason
from benchmarks.statements import Top


@pytest.mark.parametrize(
    "said", ["Error: Permission Denied: Try running again with elevated permissions", "Operation not permitted"]
)
def test_a_machine_that_does_not_permit_it_is_told_of_with_what_helps(said: str) -> None:
    assert "may not look into other processes" in reason(said)


def test_any_other_failure_is_told_in_its_last_words() -> None:
    assert reason("warning\nError: no such process\n") == "py-spy: Error: no such process"
    assert reason("") == "py-spy: it said nothing"


def test_without_py_spy_the_statements_are_kept_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flames, "_program", lambda: None)
    spies = Flames(subprocess.Popen, tmp_path / "profile")
    spies.enter("drain")
    spies.begin({"web": 1})
    spies.stop([Top("SELECT a | b", 4, 2.0)])
    assert "py-spy is not installed" in spies.notes[0]
    assert "| 2 | 100 % | 4 | 500 | `SELECT a \\| b` |" in (tmp_path / "profile" / "drain-statements.md").read_text()


def test_a_row_with_two_stretches_keeps_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flames, "_program", lambda: None)
    spies = Flames(subprocess.Popen, tmp_path / "profile")
    spies.enter("hanging")
    for _ in range(2):
        spies.begin({})
        spies.stop([])
    assert {path.name for path in (tmp_path / "profile").iterdir()} == {
        "hanging-statements.md",
        "hanging-2-statements.md",
    }
