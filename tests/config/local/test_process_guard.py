"""Test that a family of processes ends with the process that started it, however that process ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from config.local.process_guard import FAMILY, ProcessGuard, end, find_family, is_over
from tests.processes import guard as guard_of_tests
from tests.processes import start

ROOT = Path(__file__).resolve().parents[3]
SLEEP = "import time; time.sleep(999)"
PARENT = """
import signal, subprocess, sys, time
from config.local.process_guard import ProcessGuard
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with SIGINT ignored
family, clean_up, child = sys.argv[1:4]
guard = ProcessGuard(family, [sys.executable, "-c", clean_up])
print(guard.start([sys.executable, "-c", child], stdout=subprocess.PIPE).pid, flush=True)
time.sleep(999)
"""
WITH_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])"
IGNORES_SIGTERM = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(999)"])
print("ready", flush=True)
signal.pause()
"""
ORPHANING = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid, flush=True)"
FORKING = """
import os, sys, time
from config.local.process_guard import ProcessGuard
guard = ProcessGuard(sys.argv[1])
child = guard.start([sys.executable, "-c", "import time; time.sleep(999)"])
if os.fork() == 0:
    time.sleep(999)
print(child.pid, flush=True)
time.sleep(999)
"""


@pytest.fixture
def family() -> str:
    return f"test {uuid4()}"


@pytest.fixture
def guard(family: str) -> Iterator[ProcessGuard]:
    guard = ProcessGuard(family)
    yield guard
    guard.close()


def await_end(process: psutil.Process) -> None:
    while not is_over(process):
        time.sleep(0.02)


def await_child(process: psutil.Process) -> psutil.Process:
    while not (children := process.children()):
        time.sleep(0.02)
    return children[0]


def guard_of(parent: int) -> psutil.Process:
    return next(one for one in psutil.Process(parent).children() if "config.local.process_guard" in one.cmdline())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signal_to_parent_ends_descendants_and_runs_clean_up(
    family: str, tmp_path: Path, number: signal.Signals
) -> None:
    mark = tmp_path / "cleaned"
    clean_up = f"open({str(mark)!r}, 'w')"
    command = [sys.executable, "-c", PARENT, family, clean_up, WITH_CHILD]
    with start(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        grandchild = await_child(child)
        guard = guard_of(parent.pid)
        parent.send_signal(number)
    await_end(guard)
    assert is_over(child)
    assert is_over(grandchild)
    assert mark.exists()


def test_sigkill_to_process_group_of_parent_ends_children_outside_the_group(family: str) -> None:
    command = [sys.executable, "-c", PARENT, family, "", WITH_CHILD]
    with start(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        guard = guard_of(parent.pid)
        os.killpg(parent.pid, signal.SIGKILL)
    await_end(guard)
    assert is_over(child)


def test_fork_of_parent_does_not_keep_children_alive(family: str) -> None:
    command = [sys.executable, "-c", FORKING, family]
    with start(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        guard = guard_of(parent.pid)
        fork = next(one for one in psutil.Process(parent.pid).children() if one not in (child, guard))
        parent.kill()
        await_end(guard)
        assert is_over(child)
        assert not is_over(fork)
        fork.kill()


def test_close_ends_orphans_whose_parent_died_before(guard: ProcessGuard) -> None:
    with guard.start([sys.executable, "-c", ORPHANING], name="one", stdout=subprocess.PIPE, text=True) as parent:
        orphan = psutil.Process(int(parent.stdout.readline()))
    assert not is_over(orphan)
    guard.close()
    assert is_over(orphan)


def test_find_family_separates_children_by_name(guard: ProcessGuard) -> None:
    one = guard.start([sys.executable, "-c", SLEEP], name="one")
    other = guard.start([sys.executable, "-c", SLEEP], name="one more")
    assert [process.pid for process in find_family(guard.family_of("one"))] == [one.pid]
    assert {process.pid for process in find_family(guard.family)} == {one.pid, other.pid}
    guard.close()
    assert (one.wait(), other.wait()) == (-signal.SIGTERM, -signal.SIGTERM)


def test_find_family_skips_leaders_of_a_session(guard: ProcessGuard) -> None:
    child = guard.start([sys.executable, "-c", SLEEP], start_new_session=True)
    assert find_family(guard.family) == []
    guard.close()
    assert child.wait() == -signal.SIGTERM


def test_child_gets_its_own_stop_signal(guard: ProcessGuard) -> None:
    child = guard.start([sys.executable, "-c", SLEEP], stop_signal=signal.SIGUSR1, env={"PATH": os.environ["PATH"]})
    guard.close()
    assert child.returncode == -signal.SIGUSR1  # unlike SIGQUIT, it writes no core, which takes time


def test_killed_guard_is_replaced_and_knows_all_running_children(guard: ProcessGuard) -> None:
    first = guard.start([sys.executable, "-c", SLEEP])
    children = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]  # of other tests
    killed = next(one for one in children if guard.family in one.cmdline() and one.pid != first.pid)
    killed.kill()
    await_end(killed)
    second = guard.start([sys.executable, "-c", SLEEP])
    guard.close()
    assert (first.wait(), second.wait()) == (-signal.SIGTERM, -signal.SIGTERM)


def test_run_returns_status_and_output(guard: ProcessGuard) -> None:
    program = (
        f"import os, sys; print('out'); print('error', file=sys.stderr); sys.exit(len(os.environ[{FAMILY!r}]) > 0)"
    )
    done = guard.run([sys.executable, "-c", program], text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "out\n", "error\n")


def test_processes_of_the_tests_are_a_family_too() -> None:
    child = start([sys.executable, "-c", SLEEP])
    assert child.pid in [process.pid for process in find_family(guard_of_tests().family)]
    end([psutil.Process(child.pid)], within=120.0)
    assert child.wait() == -signal.SIGTERM


def test_end_kills_a_process_that_ignores_sigterm_with_its_children() -> None:
    with start([sys.executable, "-c", IGNORES_SIGTERM], stdout=subprocess.PIPE, text=True) as stubborn:
        stubborn.stdout.readline()
        child = psutil.Process(stubborn.pid).children()[0]
        end([psutil.Process(stubborn.pid)], within=0.2)
        assert stubborn.wait() == -signal.SIGKILL
    await_end(child)


def test_end_accepts_a_process_that_ends_meanwhile() -> None:
    sleeping = start(["sleep", "60"])
    process = psutil.Process(sleeping.pid)
    sleeping.kill()
    sleeping.wait()
    end([process], within=1.0)
    assert is_over(process)
