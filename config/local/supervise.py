"""Several programs run as one: each line says whose it is, one that dies is started again, all stop together.

A child that keeps dying stops the whole, with the reason: a platform without its workers only looks healthy.
What a dead child had started itself ends before it is started again: an orphan would hold the port, or go on with
old code. The kernel tells the children when we die ourselves (Linux); what is left all the same, the next run
cleans up.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOK_EVERY = 0.1  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds before a dead child is started again; doubles each time
HEALTHY_AFTER = 20.0  # seconds; a child that lived as long may die without being counted
TOO_OFTEN = 5  # early deaths in a row
ORPHANS_WITHIN = 2.0  # seconds
MARK = "WAYPOST_CHILD_OF"  # in the environment of a child, and so of all it starts: whose they are
COLOURS = (36, 33, 32, 35, 34, 31)  # ANSI
_PR_SET_PDEATHSIG = 1
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


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
    """Runs `children`; the file `record` remembers them for the next run."""

    children: list[Child]
    environment: Mapping[str, str]
    record: Path
    colour: bool = False
    stopping: bool = False  # set by a signal, which must not touch a lock

    def request_stop(self, *_signal: object) -> None:
        """For signal handlers: `look` returns and does nothing any more."""
        self.stopping = True

    def start(self) -> None:
        """Start what is not running and may run again by now."""
        now = time.monotonic()
        for child in self.children:
            if child.process is None and now >= child.start_again:
                self._start(child)
        self.record.write_text(json.dumps([_identity(child.process.pid) for child in self._running()]))

    def look(self) -> None:
        """Wait a moment, note who died, start them again when their pause is over. Raises KeepsDying."""
        time.sleep(LOOK_EVERY)
        if self.stopping:
            return
        for child in self._running():
            if child.process.poll() is not None:
                self.say("up", f"{child.name} ended with status {child.process.returncode}")
                end(marked(self._mark(child)), ORPHANS_WITHIN)
                child.died(time.monotonic())
        if any(child.process is None for child in self.children):
            self.start()

    def stop(self) -> None:
        """Ask the children to end, stage by stage, and insist after their time."""
        for stage in sorted({child.stage for child in self.children}):
            leaving = [child for child in self._running() if child.stage == stage]
            end([child.process.pid for child in leaving], max((child.stop_within for child in leaving), default=0))
            for child in leaving:
                child.process.wait()
            end([pid for child in leaving for pid in marked(self._mark(child))], ORPHANS_WITHIN)
        end(marked(f"{self.record}:"), ORPHANS_WITHIN)  # whoever was just being started
        self.record.unlink(missing_ok=True)

    def say(self, name: str, line: str) -> None:
        """One line for the terminal, with its author in front."""
        width = max(len(child.name) for child in self.children)
        author = f"{name:<{width}} |"
        if self.colour:
            names = ["up", *(child.name for child in self.children)]
            author = f"\033[{COLOURS[names.index(name) % len(COLOURS)]}m{author}\033[0m"
        sys.stdout.write(f"{author} {line}\n")
        sys.stdout.flush()

    def _running(self) -> list[Child]:
        return [child for child in self.children if child.process is not None]

    def _start(self, child: Child) -> None:
        child.process = subprocess.Popen(  # noqa: S603 (our own programs, no shell)
            child.command,
            env={**self.environment, MARK: self._mark(child)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=_end_with_parent,
        )
        child.started = time.monotonic()
        threading.Thread(target=self._relay, args=(child.name, child.process), daemon=True).start()

    def _mark(self, child: Child) -> str:
        return f"{self.record}:{child.name};"

    def _relay(self, name: str, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None  # noqa: S101 (a pipe was asked for)
        with process.stdout as lines:
            for line in lines:
                self.say(name, line.rstrip("\n"))


def end_leftovers(record: Path) -> int:
    """End the children of a run that was killed, and theirs, and tell how many there were."""
    alive = set(marked(f"{record}:"))
    try:
        recorded = json.loads(record.read_text())
    except (FileNotFoundError, ValueError):
        recorded = []
    alive |= {pid for pid, born in recorded if _identity(pid) == [pid, born]}
    end(alive, within=10.0)
    record.unlink(missing_ok=True)
    return len(alive)


def marked(beginning: str) -> list[int]:
    """The processes whose mark begins like this. Who has begun a session of its own (a keeper) has left the family."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(beginning) and os.getsid(process.pid) != process.pid:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue  # ended meanwhile, or somebody else's
    return found


def end(pids: Iterable[int], within: float) -> None:
    """SIGTERM; after `within` seconds SIGKILL for them and all their descendants. Who goes by himself is fine."""
    processes = [process for pid in pids if (process := _find(pid))]
    family = [*processes, *(one for process in processes for one in _descendants(process))]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    psutil.wait_procs(processes, timeout=within)
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _find(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _identity(pid: int) -> list[float]:
    """A number and the moment of birth: numbers are used again."""
    process = _find(pid)
    return [pid, process.create_time()] if process else [pid, 0.0]


def _end_with_parent() -> None:
    if _prctl:
        _prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
