"""Supervise several programs as one: prefix their output, restart one that dies, stop all together.

A child that keeps dying stops the platform and is named: a platform without its workers only looks healthy.
The descendants of a dead child are ended before it is started again: an orphan would keep the port, or run old code.
When the supervisor itself is killed, its process guard ends the children.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from config.local.process_guard import ProcessGuard, end, find_family

LOOK_EVERY = 0.1  # seconds
FIRST_PAUSE = 0.5  # seconds before a dead child is restarted; doubles with each early death
LONGEST_PAUSE = 15.0  # seconds
HEALTHY_AFTER = 20.0  # seconds; the death of a child that ran this long is not an early death
TOO_OFTEN = 5  # early deaths in a row, after which the platform ends
ORPHANS_WITHIN = 2.0  # seconds
LEFTOVERS_WITHIN = 10.0  # seconds
COLOURS = (36, 33, 32, 35, 34, 31)  # ANSI


class KeepsDying(Exception):
    """A child ended early again and again; the message says which and how."""


@dataclass
class Child:
    """One program. Those of the lowest `stage` stop first, together; after `stop_within` seconds they are killed."""

    name: str
    command: list[str]
    stage: int
    stop_within: float
    process: "subprocess.Popen[str] | None" = None
    started: float = 0.0
    start_again: float = 0.0
    early_deaths: int = 0

    def died(self, now: float) -> None:
        """Note a death and when to start again. Raises KeepsDying."""
        status = self.process.returncode if self.process else None
        self.early_deaths = self.early_deaths + 1 if now - self.started < HEALTHY_AFTER else 1
        if self.early_deaths >= TOO_OFTEN:
            raise KeepsDying(f"{self.name} keeps dying (the last time with status {status}); its last lines say why")
        self.process = None
        self.start_again = now + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self.early_deaths - 1))


@dataclass
class Supervisor:
    """Run `children` under `guard`, whose family name is unique to this data directory."""

    children: list[Child]
    environment: Mapping[str, str]
    guard: ProcessGuard
    colour: bool = False
    stopping: bool = False  # set by a signal, which must not touch a lock

    def request_stop(self, *_signal: object) -> None:
        """Ask for a stop, from a signal handler: `look` then does nothing any more."""
        self.stopping = True

    def start(self) -> None:
        """Start the children that do not run and whose pause is over."""
        now = time.monotonic()
        for child in self.children:
            if child.process is None and now >= child.start_again:
                self._start(child)

    def look(self) -> None:
        """Wait a moment, note children that died, and restart those whose pause is over. Raises KeepsDying."""
        time.sleep(LOOK_EVERY)
        if self.stopping:
            return
        for child, process in self._running():
            if process.poll() is not None:
                self.say("up", f"{child.name} ended with status {process.returncode}")
                self._end_descendants(child)
                child.died(time.monotonic())
        if any(child.process is None for child in self.children):
            self.start()

    def stop(self) -> None:
        """Stop the children, stage by stage; kill those that exceed their `stop_within`."""
        for stage in sorted({child.stage for child in self.children}):
            leaving = [(child, process) for child, process in self._running() if child.stage == stage]
            running = [psutil.Process(process.pid) for _, process in leaving if process.poll() is None]
            end(running, max((child.stop_within for child, _ in leaving), default=0))
            for child, process in leaving:
                process.wait()
                self._end_descendants(child)
        self.guard.close()

    def say(self, name: str, line: str) -> None:
        """Print one line, prefixed with the name of the program that wrote it."""
        width = max(len(child.name) for child in self.children)
        author = f"{name:<{width}} |"
        if self.colour:
            names = ["up", *(child.name for child in self.children)]
            author = f"\033[{COLOURS[names.index(name) % len(COLOURS)]}m{author}\033[0m"
        sys.stdout.write(f"{author} {line}\n")
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
        child.started = time.monotonic()
        threading.Thread(target=self._relay, args=(child.name, child.process), daemon=True).start()

    def _end_descendants(self, child: Child) -> None:
        end(find_family(self.guard.family_of(child.name)), ORPHANS_WITHIN)

    def _relay(self, name: str, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None  # noqa: S101 (a pipe was asked for)
        with process.stdout as lines:
            for line in lines:
                self.say(name, line.rstrip("\n"))


def end_leftovers(family: str) -> int:
    """End the children of a supervisor that was killed together with its guard. Returns how many there were."""
    found = find_family(f"{family}:")
    end(found, LEFTOVERS_WITHIN)
    return len(found)
