"""Test that a killed benchmark leaves nothing behind."""

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

from benchmarks.deployment import ROOT
from config.local.process_guard import is_over
from tests.processes import start


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a directory that the user of the embedded servers may pass through."""
    made = Path(tempfile.mkdtemp(prefix="bench-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def users_of(place: Path) -> list[str]:
    """Return the processes whose arguments or environment name this directory."""
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
    return next(one for one in psutil.Process(run).children() if "config.local.process_guard" in one.cmdline())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_benchmark_leaves_no_process_and_no_file(place: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "idle"]
    run = start(
        command,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(place)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(
        place.glob("waypost-bench-*/system-*/data/postgres/home/pid")
    ):  # the run has a deadline for that itself
        assert run.poll() is None, "it ended before the platform's servers ran"
        time.sleep(0.05)
    guard = guard_of(run.pid)
    run.send_signal(number)
    run.wait()
    while not is_over(guard):  # it has deadlines of its own
        time.sleep(0.05)
    assert not list(place.glob("waypost-bench-*"))
    assert users_of(place) == []
