"""A run leaves nothing behind, however it ends."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.guard import ROOT, end, is_over
from tests.waiting import wait_until

RUN = """
import signal, sys, time
from pathlib import Path
from benchmarks.guard import Guard
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests in the background ignores it
guard = Guard(Path(sys.argv[1]))
child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(999)'])"
print(guard.start([sys.executable, "-c", child]).pid, flush=True)
time.sleep(999)
"""
STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(999)"])
print("deaf", flush=True)
signal.pause()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the user of the embedded servers may pass through."""
    made = Path(tempfile.mkdtemp(prefix="bench-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def users_of(place: Path) -> list[str]:
    """The processes that are told of this directory, by their arguments or their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
            if any(str(place) in word for word in words) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def guard_of(run: int) -> psutil.Process:
    return next(one for one in psutil.Process(run).children() if "benchmarks.guard" in one.cmdline())


def await_end(guard: psutil.Process) -> None:
    """It has deadlines of its own."""
    while not is_over(guard):
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_a_run_has_started_ends_with_the_run(place: Path, number: signal.Signals) -> None:
    directory = place / "run"
    directory.mkdir()
    run = subprocess.Popen([sys.executable, "-c", RUN, str(directory)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    with run.stdout as said:
        child = psutil.Process(int(said.readline()))
        grandchild = wait_until(child.children, "what the child starts")[0]
        guard = guard_of(run.pid)
        run.send_signal(number)
        run.wait()
    await_end(guard)
    assert is_over(child)
    assert is_over(grandchild)
    assert not directory.exists()


def test_who_does_not_listen_is_killed_with_all_its_children() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True) as deaf:
        assert deaf.stdout is not None
        deaf.stdout.readline()
        child = psutil.Process(deaf.pid).children()[0]
        end([psutil.Process(deaf.pid)], within=0.2)
        assert deaf.wait() == -signal.SIGKILL
    wait_until(lambda: is_over(child), "the end of its child")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_benchmark_that_is_killed_leaves_neither_a_process_nor_a_file(place: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "idle"]
    run = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(place)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(place.glob("waypost-bench-*/data/postgres/home/pid")):  # the run has a deadline for that itself
        assert run.poll() is None, "it ended before the platform's servers ran"
        time.sleep(0.05)
    guard = guard_of(run.pid)
    run.send_signal(number)
    run.wait()
    await_end(guard)
    assert not list(place.glob("waypost-bench-*"))
    assert users_of(place) == []
