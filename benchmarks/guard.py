"""Whatever a run starts ends with the run, however the run ends: a process of its own sees to that.

The run holds one end of a pipe and writes down the number of each process it starts; the guard holds the other. When
the pipe ends, because the run closed it or because the run is no more (kill -9 too), the guard ends those processes
and all they have started, stops the embedded servers and removes the files. A run is cleaned up in no other way.

    python -m benchmarks.guard DIRECTORY
"""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil

from config.local import embedded
from config.local.supervise import end_leftovers

__all__ = ["ROOT", "Guard", "end", "is_over"]

ROOT = Path(__file__).resolve().parent.parent
STOP_WITHIN = 30.0  # seconds until what was asked to end is killed
KILLED_WITHIN = 10.0
SERVERS_WITHIN = 180.0  # one that is just being set up is set up first
LOOK_EVERY = 0.05
DEAF_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # they are meant for the run


class Guard:
    """The run's side. ``start`` is ``Popen`` for processes that must not outlive the run."""

    def __init__(self, directory: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.guard", str(directory)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, text=True, start_new_session=True, bufsize=1
        )
        self._started: list[subprocess.Popen[Any]] = []

    def start(self, command: Sequence[str], **how: Any) -> "subprocess.Popen[Any]":
        """In a session of its own: Ctrl-C is the run's to handle."""
        process = subprocess.Popen(command, start_new_session=True, **how)
        assert self._process.stdin is not None
        self._process.stdin.write(f"{process.pid}\n")
        self._started.append(process)
        return process

    def close(self) -> None:
        """The run is over. Returns when everything has ended and is removed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        while self._process.poll() is None:
            for process in self._started:
                process.poll()  # who is not waited for is never gone
            time.sleep(LOOK_EVERY)


def end(processes: Iterable[psutil.Process], within: float) -> None:
    """SIGTERM; after ``within`` seconds SIGKILL for who still runs, and for whoever they had started."""
    roots = [process for process in processes if not is_over(process)]
    family = [*roots, *(one for process in roots for one in _children(process))]
    for process in roots:
        _send(process, signal.SIGTERM)
    _await(roots, within)
    for process in family:
        if not is_over(process):
            _send(process, signal.SIGKILL)
    _await(family, KILLED_WITHIN)


def _await(processes: list[psutil.Process], within: float) -> None:
    until = time.monotonic() + within
    while time.monotonic() < until and not all(map(is_over, processes)):
        time.sleep(LOOK_EVERY)


def is_over(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _send(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        pass


def _known(lines: Iterable[str]) -> list[psutil.Process]:
    """The processes that were told of. Each is looked up at once: later its number may be another's."""
    found = []
    for line in lines:
        try:
            found.append(psutil.Process(int(line)))
        except psutil.NoSuchProcess:
            continue
    return found


def main(directory: Path) -> int:
    for number in DEAF_TO:
        signal.signal(number, signal.SIG_IGN)
    end(_known(sys.stdin), STOP_WITHIN)
    data = directory / "data"
    end_leftovers(data / "up" / "children.json")
    try:
        embedded.discard(data, SERVERS_WITHIN)
    except embedded.EmbeddedError as error:
        print(f"the benchmark could not clean up: {error}; its files are in {directory}", file=sys.stderr)
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
