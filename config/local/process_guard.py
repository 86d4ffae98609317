"""End child processes when their parent ends, however the parent ends.

    guard = ProcessGuard("name of this family")
    child = guard.start(command, **popen_options)

The guard is a small process in a session of its own. It reads the children's pids from a pipe whose other end only the
parent has. When the parent closes the pipe or dies (also by SIGKILL), the guard sends each child its stop signal,
kills what still runs after STOP_WITHIN seconds, with all descendants, and then runs the clean-up command. While it
waits it is a shell, which takes a twentieth of the memory; it becomes this program when the pipe ends.

A pipe works on every Unix. Linux could send a parent-death signal (PR_SET_PDEATHSIG) instead, but it does not reach
grandchildren such as Celery's pool processes, fires when the *thread* that started the child ends, and can be ignored.

    WAYPOST_GUARDED="PID SIGNAL STARTED-AT,..." python -m config.local.process_guard FAMILY [CLEAN-UP COMMAND...]
"""

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

FAMILY = "WAYPOST_PROCESS_FAMILY"  # environment variable that every descendant of a guarded child inherits
GUARDED = "WAYPOST_GUARDED"  # environment variable with the lines that the shell has read, each followed by a comma
PULSES = Path("up", "pulses")  # below WAYPOST_DATA: the files that the loops of programs touch
STOP_WITHIN = 40.0  # seconds; `manage.py up` gives its own children 25 and then 10
KILLED_WITHIN = 10.0  # seconds until processes that got SIGKILL are gone
CHECK_EVERY = 0.05  # seconds
SAME_START = 5.0  # seconds between two readings of when a process started, which depend on the system's clock
# Ignores the signals for the parent, reads lines until the pipe ends, and becomes the program in its arguments.
_WAIT = f"""
trap '' INT TERM HUP
while read -r child; do {GUARDED}="${GUARDED}$child,"; done
export {GUARDED}
exec "$0" "$@"
"""
_PROJECT = Path(__file__).resolve().parents[2]


def own_name(default: str) -> str:
    """Return the name under which this process was started by a guard; else the default."""
    return os.environ.get(FAMILY, "").rpartition(":")[2].partition(";")[0] or default


class ProcessGuard:
    """The parent's side: start children that must not outlive this process.

    `family` names all processes started here, for `find_family`; it must be unique on this machine.
    `clean_up` is a command that the guard runs after the last child has ended, for example to remove files.
    """

    def __init__(self, family: str, clean_up: Sequence[str] = ()) -> None:
        self.family = family
        self._clean_up = list(clean_up)
        self._started: list[subprocess.Popen[Any]] = []
        self._registered: list[tuple[psutil.Process, signal.Signals]] = []
        self._lock = threading.Lock()
        self._guard = self._start_guard()
        _open_guards.add(self)

    def start(
        self,
        command: Sequence[str],
        *,
        name: str = "",
        stop_signal: signal.Signals = signal.SIGTERM,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> "subprocess.Popen[Any]":
        """Start a program as `subprocess.Popen` does. `name` distinguishes its descendants within the family."""
        environment = {**(os.environ if env is None else env), FAMILY: self.family_of(name)}
        process = subprocess.Popen(command, env=environment, **options)  # noqa: S603 (our own programs, no shell)
        self._started = [*(one for one in self._started if one.returncode is None), process]
        self.add(process.pid, stop_signal)
        return process

    def run(self, command: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[Any]":
        """Start a program and return its status and output (unless redirected) when it has ended."""
        with self.start(command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}) as process:
            output, errors = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def add(self, pid: int, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        """Guard a process that was started by other means."""
        with self._lock, suppress(psutil.NoSuchProcess):
            self._registered = [entry for entry in self._registered if not is_over(entry[0])]
            self._registered.append((psutil.Process(pid), stop_signal))
            try:
                self._send(self._registered[-1:])
            except BrokenPipeError:  # the guard was killed
                self._guard.wait()
                self._close_pipe()
                self._guard = self._start_guard()
                self._send(self._registered)

    def family_of(self, name: str) -> str:
        """Return the value of FAMILY in the environment of the child of this name and of its descendants."""
        return f"{self.family}:{name};"

    def close(self) -> None:
        """End all children; return when they have ended and the clean-up command has run."""
        self._close_pipe()
        self._guard.wait()
        for process in self._started:
            process.poll()  # collect the exit status

    def detach(self) -> tuple[int, int]:
        """Return the pipe to the guard and its pid, for a program that this process becomes (exec).

        The children end when the pipe is closed, or when that program ends.
        """
        assert self._guard.stdin is not None  # noqa: S101 (a pipe was asked for)
        os.set_inheritable(self._guard.stdin.fileno(), True)
        return self._guard.stdin.fileno(), self._guard.pid

    def _start_guard(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603 (our own program, no shell)
            ["/bin/sh", "-c", _WAIT, sys.executable, "-m", "config.local.process_guard", self.family, *self._clean_up],
            cwd=_PROJECT,
            env={name: value for name, value in os.environ.items() if name != GUARDED},
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _send(self, entries: Iterable[tuple[psutil.Process, signal.Signals]]) -> None:
        assert self._guard.stdin is not None  # noqa: S101 (a pipe was asked for)
        for process, stop_signal in entries:
            line = f"{process.pid} {int(stop_signal)} {process.create_time()}\n"
            self._guard.stdin.write(line.encode())

    def _close_pipe(self) -> None:
        assert self._guard.stdin is not None  # noqa: S101 (a pipe was asked for)
        self._guard.stdin.close()


def end(processes: Iterable[psutil.Process], within: float) -> None:
    """Send SIGTERM; after `within` seconds kill what still runs, and every descendant."""
    _end([(process, signal.SIGTERM) for process in processes], within)


def find_family(prefix: str) -> list[psutil.Process]:
    """Find the processes whose FAMILY begins with `prefix`, except leaders of a session, such as keepers and guards."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(FAMILY, "").startswith(prefix) and os.getsid(process.pid) != process.pid:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # ended meanwhile, or another user's
    return found


def is_over(process: psutil.Process) -> bool:
    """Return whether the process has ended, even if its parent has not waited for it yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def main(family: str, *clean_up: str) -> int:
    """End the children of a parent that has ended, and clean up. Returns the clean-up's status."""
    children = _read_children(os.environ.get(GUARDED, "").split(",")[:-1])
    known = {one for child, _ in children for one in (child, *_descendants(child))}
    orphans = [(one, signal.SIGTERM) for one in find_family(f"{family}:") if one not in known]
    _end([*children, *orphans], STOP_WITHIN)
    return subprocess.run(clean_up, check=False).returncode if clean_up else 0  # noqa: S603 (our own program)


def _read_children(lines: Iterable[str]) -> list[tuple[psutil.Process, signal.Signals]]:
    """Return the processes that still run: meanwhile a pid may belong to another program, which started later."""
    children = []
    for line in lines:
        pid, stop_signal, started_at = line.split()
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(pid))
            if abs(process.create_time() - float(started_at)) < SAME_START:
                children.append((process, signal.Signals(int(stop_signal))))
    return children


def _end(asked: Sequence[tuple[psutil.Process, signal.Signals]], within: float) -> None:
    running = [(process, stop_signal) for process, stop_signal in asked if not is_over(process)]
    everyone = [one for process, _ in running for one in (process, *_descendants(process))]
    for process, stop_signal in running:
        _signal(process, stop_signal)
    _wait([process for process, _ in running], within)
    for process in everyone:
        if not is_over(process):
            _signal(process, signal.SIGKILL)
    _wait(everyone, KILLED_WITHIN)


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _wait(processes: Sequence[psutil.Process], within: float) -> None:
    until = time.monotonic() + within
    while time.monotonic() < until and not all(map(is_over, processes)):
        time.sleep(CHECK_EVERY)


def _close_pipes_after_fork() -> None:
    """Close the copies of the pipes in a forked process, which is no parent of the children."""
    for guard in list(_open_guards):
        guard._close_pipe()


_open_guards: "weakref.WeakSet[ProcessGuard]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_close_pipes_after_fork)

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
