"""Run programs of others, and install them once, at pinned versions, for the tests that need them.

They are installed by the package client of their language into a folder of the virtual environment that is named by the
pins.
"""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.processes import run

CACHE = Path(sys.prefix) / "programs-of-tests"


def call(*command: str | Path, folder: Path, **environment: str) -> str:
    """Run a command in a folder and return what it printed. Fails with the output if the command does."""
    done = run([str(it) for it in command], cwd=folder, env={**_environment(), **environment}, text=True)
    assert done.returncode == 0, f"{command[0]} {command[1]}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def installed(name: str, pins: bytes, install: Callable[[Path], None]) -> Path:
    """Return the folder of a tool with these pins, installed by the first test that needs it.

    Installed beside and then renamed, so that a run that was interrupted leaves nothing half installed. Test processes
    that run side by side wait for each other.
    """
    folder = CACHE / f"{name}-{hashlib.sha256(pins).hexdigest()[:16]}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            beside = CACHE / f"{folder.name}.new"
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            install(beside)
            beside.rename(folder)
    return folder


def _environment() -> dict[str, str]:
    """Return the environment without the variables of this project's own tests."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("WAYPOST_", "DJANGO_", "PYTEST_"))
    }
