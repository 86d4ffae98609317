"""Test programs that are forks of the process that starts them."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config.local.process_guard import FAMILY, find_family
from tests.processes import start

ROOT = Path(__file__).resolve().parents[3]
# Forks `python -m PROGRAM` under a family, after it has replaced itself by a process with room for names.
PARENT = """
import os, sys, time
from config.local.forked import ForkedProcess
from config.local.process_guard import FAMILY, ProcessGuard
from config.local.process_title import PADDING, TITLE_ROOM
family, program, *words = sys.argv[1:]
if not os.environ.get(FAMILY, "").startswith(family + PADDING):
    os.environ[FAMILY] = family + PADDING
    os.execv(sys.executable, [sys.executable, "-X", TITLE_ROOM, *sys.orig_argv[1:]])
forked = ForkedProcess([sys.executable, "-m", program, *words], ProcessGuard(family), "child", lambda: None)
print(forked.pid, flush=True)
print(forked.stdout.read().decode(), end="", flush=True)
print(forked.wait(), flush=True)
"""
PROGRAM = """
import os, signal, sys, time
print(__name__, sys.argv[1:], os.environ["WAYPOST_PROCESS_FAMILY"], signal.getsignal(signal.SIGTERM).name)
if "wait" in sys.argv:
    time.sleep(999)
sys.exit(7)
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "forked_program.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "forked_program"


def fork(family: str, *words: str) -> Iterator[str]:
    with start([sys.executable, "-c", PARENT, family, *words], cwd=ROOT, stdout=-1, text=True) as parent:
        yield from parent.stdout


def test_forked_program_runs_as_main_with_its_own_arguments_output_and_status(program: str, tmp_path: Path) -> None:
    family = str(tmp_path)
    _, output, status = fork(family, program, "one", "two")
    assert output == f"__main__ ['one', 'two'] {family}:child; SIG_DFL\n"
    assert status == "7\n"


def test_forked_program_shows_its_command_and_its_family(program: str, tmp_path: Path) -> None:
    lines = fork(str(tmp_path), program, "wait")
    process = psutil.Process(int(next(lines)))
    until_titled(process, program)
    assert process.cmdline() == ["python", "-m", program, "wait"]
    assert process.environ()[FAMILY].startswith(f"{tmp_path}:child;")
    assert [one.pid for one in find_family(f"{tmp_path}:child;")] == [process.pid]
    assert os.getpid() not in [one.pid for one in find_family(str(tmp_path))]
    process.kill()
    assert list(lines)[-1] == "-9\n"


def until_titled(process: psutil.Process, program: str) -> None:
    while process.cmdline()[1:3] != ["-m", program]:
        pass
