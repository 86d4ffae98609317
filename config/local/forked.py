"""Run a program (`python -m MODULE ARGUMENTS...`) in a fork of this process, which has loaded what it needs.

The memory of what is loaded is shared by all forks, and a fork starts at once. The parent must have no threads and no
connections, and should have frozen its heap (gc.freeze), or the garbage collector copies all of it into each fork.
"""

import gc
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Callable, Sequence
from typing import IO

from config.local.process_guard import ProcessGuard
from config.local.process_title import set_family, set_title

_FORKED = multiprocessing.get_context("fork")


class ForkedProcess:
    """A forked program: what a supervisor uses of `subprocess.Popen`."""

    def __init__(self, command: Sequence[str], guard: ProcessGuard, name: str, release: Callable[[], None]) -> None:
        """Start it. `release` closes, in the fork, what belongs to the parent alone."""
        reader, writer = os.pipe()
        self.stdout: IO[bytes] = os.fdopen(reader, "rb", buffering=0)

        def run() -> None:
            self.stdout.close()
            set_family(guard.family_of(name))
            set_title(["python", *command[1:]])
            release()
            _run_program(command[2:], writer)

        self._process = _FORKED.Process(target=run, name=name)
        self._process.start()
        os.close(writer)
        assert self._process.pid is not None  # noqa: S101 (it is started)
        self.pid: int = self._process.pid
        guard.add(self.pid)

    @property
    def returncode(self) -> int | None:
        """Return the exit status, the negative number of the signal that ended the process, or None if it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit status, or None if the process runs."""
        return self._process.exitcode

    def wait(self) -> int:
        """Wait until the process has ended, and return its exit status."""
        self._process.join()
        return self._process.exitcode or 0


def _run_program(words: Sequence[str], output: int) -> None:
    """Run a module as `python -m` does, with the signals and the output of a new program."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr] # both are text files
    gc.enable()
    sys.argv = list(words)
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:
        sys.exit(130)
