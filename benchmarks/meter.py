"""Measure what a stretch of a run costs all processes but the sink and the load generator.

CPU is what the kernel charged each process, and each parent for its ended children. Memory is the proportional share
(PSS), which counts pages that several processes share once.
"""

import threading
import time
from typing import NamedTuple, Self

import psutil

from benchmarks.deployment import Deployment
from benchmarks.result import Cost

PROGRAMS = {
    "config.web": "web",
    "deliver@": "drains",
    "work@": "work",
    " beat": "beat",
}  # by a part of the command line
WAL = "SELECT pg_current_wal_lsn() - '0/0'"
ALL = ("web", "drains", "work", "beat", "up", "postgres", "valkey")


class Meter:
    """Context manager; `cost` is complete after it. After an exception nothing is read."""

    def __init__(self, deployment: Deployment, extra: dict[str, int]) -> None:
        """Measure the platform, its servers, and the process trees of `extra` (program: id of the root)."""
        self._deployment = deployment
        self._roots = {**deployment.process_ids(), **extra}
        self.cost = Cost()

    def __enter__(self) -> Self:
        self._wal = self._deployment.number(WAL)
        self._before = cpu_seconds(processes_by_program(self._roots))
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            used = cpu_seconds(processes_by_program(self._roots))
            self.cost.cpu = {name: max(0.0, value - self._before.get(name, 0.0)) for name, value in used.items()}
            self.cost.wal_bytes = self._deployment.number(WAL) - self._wal


class Sample(NamedTuple):
    """Use at a moment (seconds since 1970): memory of all sampled processes in bytes, PostgreSQL's CPU in seconds."""

    at: float
    memory: float
    database_cpu: float


class Sampler:
    """Context manager that samples these programs `every` so many seconds; all of them take about 100 ms."""

    def __init__(self, deployment: Deployment, every: float, programs: tuple[str, ...] = ALL) -> None:
        """Sample the processes that the programs have at the start."""
        found = processes_by_program(deployment.process_ids())
        self._processes = {name: found.get(name, []) for name in programs}
        self._every = every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            memory = sum(_memory_bytes(process) for family in self._processes.values() for process in family)
            self.samples.append(Sample(time.time(), memory, cpu_seconds(self._processes).get("postgres", 0.0)))
            if self._over.wait(self._every):
                return


def processes_by_program(roots: dict[str, int]) -> dict[str, list[psutil.Process]]:
    """Return the processes below the roots; those of `up` by the program each belongs to."""
    found: dict[str, list[psutil.Process]] = {}
    for name, pid in roots.items():
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            found.setdefault(_program(process) if name == "up" else name, []).append(process)
    return found


def _program(process: psutil.Process) -> str:
    """Return the program by the command line of the process, or of the nearest parent with a known one."""
    try:
        commands = [" ".join(one.cmdline()) for one in (process, *process.parents())]
    except psutil.NoSuchProcess:
        return "up"
    return next((name for command in commands for part, name in PROGRAMS.items() if part in command), "up")


def cpu_seconds(processes: dict[str, list[psutil.Process]]) -> dict[str, float]:
    """Return the CPU that each program has used so far."""
    return {name: sum(map(_cpu_of, family)) for name, family in processes.items()}


def _cpu_of(process: psutil.Process) -> float:
    try:
        return float(sum(process.cpu_times()[:4]))  # user, system, and the same of ended children
    except psutil.Error:
        return 0.0


def _memory_bytes(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss)
    except psutil.Error:
        return 0.0
