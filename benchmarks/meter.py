"""Measure what a stretch of a run costs all processes of a platform: CPU, write-ahead log, and memory over time."""

import threading
import time
from typing import NamedTuple, Self

from benchmarks.processes import cpu_seconds, memory_bytes, processes_of
from benchmarks.result import Cost
from benchmarks.system import System

WAL = "SELECT pg_current_wal_lsn() - '0/0'"


class Meter:
    """Context manager; `cost` is complete after it. After an exception nothing is read."""

    def __init__(self, system: System) -> None:
        """Measure all processes of this platform, its servers included."""
        self._system = system
        self.cost = Cost()

    def __enter__(self) -> Self:
        self._wal = self._system.number(WAL)
        self._before = cpu_seconds(processes_of(self._system.data))
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            used = cpu_seconds(processes_of(self._system.data))
            self.cost.cpu = {name: max(0.0, value - self._before.get(name, 0.0)) for name, value in used.items()}
            self.cost.wal_bytes = self._system.number(WAL) - self._wal


class Sample(NamedTuple):
    """Use at a moment (seconds since 1970): memory of all sampled processes in bytes, PostgreSQL's CPU in seconds."""

    at: float
    memory: float
    database_cpu: float


class Sampler:
    """Sample these programs, `every`: seconds; a sample of all of them takes about 100 ms. A context manager."""

    def __init__(self, system: System, every: float, programs: tuple[str, ...] = ()) -> None:
        """Sample the processes that the programs (default: all) have at the start."""
        found = processes_of(system.data)
        self._processes = {name: found.get(name, []) for name in programs or found}
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
            memory = sum(memory_bytes(self._processes).values())
            self.samples.append(Sample(time.time(), memory, cpu_seconds(self._processes).get("postgres", 0.0)))
            if self._over.wait(self._every):
                return
