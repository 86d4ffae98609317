"""Supervise several programs as one: prefix their output, restart one that exits, stop all together.

A child in a crash loop ends the whole platform: without its workers, the platform would respond but deliver nothing.
Before a child is restarted, the descendants that it left are ended: they could hold its port, or run old code. When
the supervisor itself is killed, its process guard ends the children. It has no threads, so that a child may be a fork
of it, and sleeps while nothing happens.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from selectors import EVENT_READ, PollSelector
from typing import IO, Protocol, cast

import psutil

from config.local.output import print_json, print_text
from config.local.process_guard import ProcessGuard, end, find_family
from config.local.stuck import StuckWatch

FIRST_RESTART_DELAY = 0.5  # seconds from an exit to the restart; doubles with each early exit
MAX_RESTART_DELAY = 15.0  # seconds from an exit to the restart
HEALTHY_AFTER = 20.0  # seconds; an exit is early if the child has run for less
MAX_EARLY_EXITS = 5  # early exits in a row that make a crash loop
KILLED = (-signal.SIGKILL, -signal.SIGTERM)  # exit statuses that count towards no crash loop
DESCENDANTS_STOP_WITHIN = 2.0  # seconds until descendants of an exited child are killed
LEFTOVERS_STOP_WITHIN = 10.0  # seconds until processes that an earlier run left are killed
MAX_LINE = 64 * 1024  # bytes; a longer line of output is printed in parts


class CrashLoop(Exception):
    """A child exited early MAX_EARLY_EXITS times in a row. The message names the child and its last exit status."""


class Process(Protocol):
    """A started program: a `subprocess.Popen` or a `ForkedProcess`."""

    pid: int
    stdout: IO[bytes]

    @property
    def returncode(self) -> int | None:
        """Return the exit status that `poll` has found."""

    def poll(self) -> int | None:
        """Return the exit status, or None if the process runs."""

    def wait(self) -> int:
        """Wait until the process has ended."""


@dataclass
class Child:
    """One supervised program.

    `stage`: the children of the lowest stage are stopped first, together. `stop_within`: seconds until a child that
    was asked to stop is killed. `started_at` and `restart_at` are times of the monotonic clock.
    """

    name: str
    command: list[str]
    stage: int
    stop_within: float
    process: Process | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    early_exits: int = 0

    def record_exit(self, now: float) -> None:
        """Record that the program exited, and set the time to restart it. Raises CrashLoop.

        A program that was killed from outside, by an operator or because memory ran out, is no broken program.
        """
        status = self.process.returncode if self.process else None
        self.process = None
        if status in KILLED:
            self.restart_at = now + FIRST_RESTART_DELAY
            return
        self.early_exits = self.early_exits + 1 if now - self.started_at < HEALTHY_AFTER else 1
        if self.early_exits >= MAX_EARLY_EXITS:
            raise CrashLoop(
                f"{self.name} exited {self.early_exits} times in a row soon after its start, the last time with status "
                f"{status}; its output above shows the error"
            )
        self.restart_at = now + min(MAX_RESTART_DELAY, FIRST_RESTART_DELAY * 2 ** (self.early_exits - 1))


Start = Callable[[Child, ProcessGuard], Process]
"""Starts the program of a child, with its output in the pipe `stdout`, under a guard."""


def start_program(child: Child, guard: ProcessGuard) -> Process:
    """Start the program of a child by its command."""
    process = guard.start(
        child.command, name=child.name, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return cast(Process, process)  # its output is a pipe


@dataclass
class _Output:
    """The output of one process, in lines."""

    name: str
    stream: IO[bytes]
    rest: bytes = b""  # after the last complete line

    def lines(self) -> list[str] | None:
        """Return the lines that are there, without waiting; None at the end of the output."""
        if (read := self.stream.read(MAX_LINE)) is None:
            return []
        *lines, self.rest = (self.rest + read).split(b"\n")
        if self.rest and (not read or len(self.rest) >= MAX_LINE):
            lines, self.rest = [*lines, self.rest], b""
        return [line.decode(errors="replace") for line in lines] if read or lines else None


@dataclass
class Supervisor:
    """Run `children` under `guard`. The guard's family name must be unique to the data directory."""

    children: list[Child]
    guard: ProcessGuard
    colour: bool = False
    as_json: bool = False  # whether the programs log JSON, and their lines stay so
    start_child: Start = start_program
    stuck: StuckWatch | None = None
    stopping: bool = False  # a plain flag, since a signal handler sets it and must not wait for a lock
    _selector: PollSelector = field(default_factory=PollSelector)
    _signals: "tuple[int, int] | None" = None

    def request_stop(self, *_signal: object) -> None:
        """Set the flag `stopping`, so that `check` restarts nothing any more. For use as a signal handler."""
        self.stopping = True

    def wake_on_signals(self) -> None:
        """Have `check` return as soon as a child exits or a signal comes. In the main thread only."""
        self._signals = os.pipe()
        for descriptor in self._signals:
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._signals[1], warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._signals[0], EVENT_READ)

    def start(self) -> None:
        """Start the children that do not run and need not wait for their time to restart."""
        now = time.monotonic()
        for child in self.children:
            if child.process is None and now >= child.restart_at:
                self._start(child)

    def check(self, within: float = 0.1) -> None:
        """Relay output for `within` seconds, or until a signal comes; restart the children that exited.

        Raises CrashLoop.
        """
        waiting = [child.restart_at for child in self.children if child.process is None]
        self._relay(min([within, *(at - time.monotonic() for at in waiting)]))
        if self.stopping:
            return
        for child, process in self._running():
            self._kill_if_stuck(child, process)
            if process.poll() is not None:
                self._relay_rest(process)
                self.print_line("up", f"{child.name} exited with status {process.returncode}")
                self._end_descendants(child)
                child.record_exit(time.monotonic())
        if any(child.process is None for child in self.children):
            self.start()

    def _kill_if_stuck(self, child: Child, process: Process) -> None:
        """Kill a child whose loop does not turn any more; it is restarted like one that was killed from outside."""
        seconds = None if self.stuck is None else self.stuck.seconds_stuck(child.name, time.monotonic())
        if seconds is not None:
            self.print_line("up", f"{child.name} has been stuck for {seconds:.0f} s and is killed")
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """Stop the children stage by stage. Those that do not stop in time are killed, with all descendants."""
        for stage in sorted({child.stage for child in self.children}):
            in_stage = [(child, process) for child, process in self._running() if child.stage == stage]
            self._stop([process for _, process in in_stage], max((it.stop_within for it, _ in in_stage), default=0))
            for child, process in in_stage:
                self._end_descendants(child)
                self._relay_rest(process)
        self.guard.close()
        self.release()

    def release(self) -> None:
        """Close the files of this supervisor, in a process that is forked from it too."""
        for output in self._outputs():
            output.stream.close()
        self._selector.close()
        for descriptor in self._signals or ():
            os.close(descriptor)
        self._signals = None

    def print_line(self, name: str, line: str) -> None:
        """Print one line with the name of the child that wrote it, or `up` for the supervisor."""
        if self.as_json:
            print_json(name, line)
        else:
            print_text([child.name for child in self.children], name, line, colour=self.colour)

    def _running(self) -> list[tuple[Child, Process]]:
        return [(child, child.process) for child in self.children if child.process is not None]

    def _outputs(self) -> list[_Output]:
        return [key.data for key in (self._selector.get_map() or {}).values() if key.data is not None]

    def _start(self, child: Child) -> None:
        if self.stuck is not None:
            self.stuck.forget(child.name)
        process = child.process = self.start_child(child, self.guard)
        child.started_at = time.monotonic()
        os.set_blocking(process.stdout.fileno(), False)
        self._selector.register(process.stdout, EVENT_READ, _Output(child.name, process.stdout))

    def _stop(self, processes: list[Process], within: float) -> None:
        for process in processes:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGTERM)
        until = time.monotonic() + within
        while any(process.poll() is None for process in processes) and time.monotonic() < until:
            self._relay(min(0.05, within))
        end([psutil.Process(process.pid) for process in processes if process.poll() is None], within=0)
        for process in processes:
            process.wait()

    def _end_descendants(self, child: Child) -> None:
        end(find_family(self.guard.family_of(child.name)), DESCENDANTS_STOP_WITHIN)

    def _relay(self, within: float) -> None:
        """Print what the children write, for `within` seconds or until a signal comes."""
        until = time.monotonic() + within
        while True:
            ready = self._selector.select(max(0.0, until - time.monotonic()))
            for key, _ in ready:
                if key.data is not None:
                    self._print_output(key.data)
            if any(key.data is None for key, _ in ready):
                assert self._signals  # noqa: S101 (nothing else has no output)
                os.read(self._signals[0], 4096)
                return
            if not ready or time.monotonic() >= until:
                return

    def _relay_rest(self, process: Process) -> None:
        """Print what an exited process has written, and forget its output: a descendant may keep it open."""
        for output in [it for it in self._outputs() if it.stream is process.stdout]:
            while self._print_output(output):
                pass
            if not output.stream.closed:
                self._selector.unregister(output.stream)
                output.stream.close()

    def _print_output(self, output: _Output) -> bool:
        """Print the lines that are there; return whether there may be more."""
        lines = output.lines()
        for line in lines or []:
            self.print_line(output.name, line)
        if lines is None:
            self._selector.unregister(output.stream)
            output.stream.close()
        return bool(lines)


def end_leftovers(family: str) -> int:
    """End the children that an earlier supervisor left when it was killed with its guard. Returns their number."""
    found = [one for one in find_family(f"{family}:") if one.pid != os.getpid()]
    end(found, LEFTOVERS_STOP_WITHIN)
    return len(found)
