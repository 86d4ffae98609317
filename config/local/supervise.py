"""Supervise several programs as one: prefix their output, restart one that exits, stop all together.

A child in a crash loop ends the whole platform: without its workers, the platform would respond but deliver nothing.
Before a child is restarted, the descendants that it left are ended: they could hold its port, or run old code. When
the supervisor itself is killed, its process guard ends the children.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from config.local.process_guard import ProcessGuard, end, find_family

CHECK_EVERY = 0.1  # seconds between two checks for children that have exited
FIRST_RESTART_DELAY = 0.5  # seconds from an exit to the restart; doubles with each early exit
MAX_RESTART_DELAY = 15.0  # seconds from an exit to the restart
HEALTHY_AFTER = 20.0  # seconds; an exit is early if the child has run for less
MAX_EARLY_EXITS = 5  # early exits in a row that make a crash loop
DESCENDANTS_STOP_WITHIN = 2.0  # seconds until descendants of an exited child are killed
LEFTOVERS_STOP_WITHIN = 10.0  # seconds until processes that an earlier run left are killed
COLOURS = (36, 33, 32, 35, 34, 31)  # ANSI codes of the prefixes, in turn


class CrashLoop(Exception):
    """A child exited early MAX_EARLY_EXITS times in a row. The message names the child and its last exit status."""


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
    process: "subprocess.Popen[str] | None" = None
    started_at: float = 0.0
    restart_at: float = 0.0
    early_exits: int = 0

    def record_exit(self, now: float) -> None:
        """Record that the program exited, and set the time to restart it. Raises CrashLoop."""
        status = self.process.returncode if self.process else None
        self.early_exits = self.early_exits + 1 if now - self.started_at < HEALTHY_AFTER else 1
        if self.early_exits >= MAX_EARLY_EXITS:
            raise CrashLoop(
                f"{self.name} exited {self.early_exits} times in a row soon after its start, the last time with status "
                f"{status}; its output above shows the error"
            )
        self.process = None
        self.restart_at = now + min(MAX_RESTART_DELAY, FIRST_RESTART_DELAY * 2 ** (self.early_exits - 1))


@dataclass
class Supervisor:
    """Run `children` under `guard`. The guard's family name must be unique to the data directory."""

    children: list[Child]
    environment: Mapping[str, str]
    guard: ProcessGuard
    colour: bool = False
    stopping: bool = False  # a plain flag, since a signal handler sets it and must not wait for a lock

    def request_stop(self, *_signal: object) -> None:
        """Set the flag `stopping`, so that `check` restarts nothing any more. For use as a signal handler."""
        self.stopping = True

    def start(self) -> None:
        """Start the children that do not run and need not wait for their time to restart."""
        now = time.monotonic()
        for child in self.children:
            if child.process is None and now >= child.restart_at:
                self._start(child)

    def check(self) -> None:
        """Wait CHECK_EVERY seconds, record the children that exited, restart those whose time has come.

        Raises CrashLoop.
        """
        time.sleep(CHECK_EVERY)
        if self.stopping:
            return
        for child, process in self._running():
            if process.poll() is not None:
                self.print_line("up", f"{child.name} exited with status {process.returncode}")
                self._end_descendants(child)
                child.record_exit(time.monotonic())
        if any(child.process is None for child in self.children):
            self.start()

    def stop(self) -> None:
        """Stop the children stage by stage. Those that do not stop in time are killed, with all descendants."""
        for stage in sorted({child.stage for child in self.children}):
            in_stage = [(child, process) for child, process in self._running() if child.stage == stage]
            running = [psutil.Process(process.pid) for _, process in in_stage if process.poll() is None]
            end(running, max((child.stop_within for child, _ in in_stage), default=0))
            for child, process in in_stage:
                process.wait()
                self._end_descendants(child)
        self.guard.close()

    def print_line(self, name: str, line: str) -> None:
        """Print one line, prefixed with the name of the child that wrote it, or `up` for the supervisor."""
        width = max(len(child.name) for child in self.children)
        prefix = f"{name:<{width}} |"
        if self.colour:
            names = ["up", *(child.name for child in self.children)]
            prefix = f"\033[{COLOURS[names.index(name) % len(COLOURS)]}m{prefix}\033[0m"
        sys.stdout.write(f"{prefix} {line}\n")
        sys.stdout.flush()

    def _running(self) -> "list[tuple[Child, subprocess.Popen[str]]]":
        return [(child, child.process) for child in self.children if child.process is not None]

    def _start(self, child: Child) -> None:
        child.process = self.guard.start(
            child.command,
            name=child.name,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        child.started_at = time.monotonic()
        threading.Thread(target=self._relay, args=(child.name, child.process), daemon=True).start()

    def _end_descendants(self, child: Child) -> None:
        end(find_family(self.guard.family_of(child.name)), DESCENDANTS_STOP_WITHIN)

    def _relay(self, name: str, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None  # noqa: S101 (stdout is a pipe)
        with process.stdout as lines:
            for line in lines:
                self.print_line(name, line.rstrip("\n"))


def end_leftovers(family: str) -> int:
    """End the children that an earlier supervisor left when it was killed with its guard. Returns their number."""
    found = find_family(f"{family}:")
    end(found, LEFTOVERS_STOP_WITHIN)
    return len(found)
