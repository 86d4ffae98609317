"""Test that a port which a process has chosen is given to no other one."""

import os
import sys
from pathlib import Path

from tests import ports
from tests.ports import EACH, FIRST, PART, free_port
from tests.processes import run

ROOT = Path(__file__).resolve().parents[1]
TRY = "import sys; from tests.ports import is_reserved_here; print(is_reserved_here(int(sys.argv[1])))"


def reserved_by_another_process(port: int) -> str:
    done = run([sys.executable, "-c", TRY, str(port)], cwd=ROOT, text=True)
    return done.stdout.strip() or done.stderr


def test_port_is_of_this_part_and_is_not_in_use() -> None:
    chosen = [free_port() for _ in range(3)]
    assert len(set(chosen)) == 3
    assert all(FIRST + PART * EACH <= it < FIRST + (PART + 1) * EACH for it in chosen)


def test_port_that_was_chosen_here_is_not_chosen_by_another_process() -> None:
    port = free_port()
    assert reserved_by_another_process(port) == "False"
    assert ports.is_reserved_here(port)


def test_port_of_a_process_that_has_ended_is_free_again() -> None:
    beyond = FIRST + 10 * EACH + os.getpid() % EACH  # of no part
    assert reserved_by_another_process(beyond) == "True"
    assert reserved_by_another_process(beyond) == "True"
