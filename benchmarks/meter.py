"""One measured stretch: what it cost all processes but the sink and the generator.

with Meter(stand, log) as meter: ...
meter.reading
"""

import threading
import time
from typing import Self

import psutil

from benchmarks.figures import Reading
from benchmarks.flames import MOST, Flames
from benchmarks.processes import cpu_seconds, family, memory_bytes
from benchmarks.stand import Stand
from benchmarks.statements import Sampled, StatementLog

__all__ = ["Meter"]

WHOLE_EVERY = 1.0  # seconds; finding out who belongs to whom, and looking at all of them, is a matter of 100 ms
OFTEN = "web"
WAL = "SELECT pg_current_wal_lsn() - '0/0'"


class Meter:
    """``extra`` adds further roots of process trees, by program. Memory is looked at every so many seconds: it costs
    the kernel a walk through every process's pages."""

    def __init__(
        self, stand: Stand, log: StatementLog, extra: dict[str, int], memory_every: float, flames: Flames | None
    ) -> None:
        self._stand = stand
        self._log = log
        self._flames = flames
        self._memory_every = memory_every
        self._memory: dict[str, list[tuple[float, float]]] = {}
        self._roots = {"up": stand.process.pid, **stand.server_pids()} | extra
        self._used: dict[str, float] = {}
        self._sampled: list[Sampled] | None = None
        self._over = threading.Event()
        self.reading = Reading()

    def __enter__(self) -> Self:
        self._mark = self._log.mark
        self._wal = self._stand.number(WAL)
        self._processes = family(self._roots)
        self._cpu = cpu_seconds(self._processes)
        self._started = time.monotonic()
        self._look(self._processes)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        if self._flames:
            self._flames.begin({name: ones[0].pid for name, ones in family(self._roots).items()})
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._over.set()
        if kind is None:  # else the row has failed: its figures mean nothing, and the platform may not even answer
            self._read()

    def _read(self) -> None:
        reading = self.reading
        reading.seconds = time.monotonic() - self._started
        after = cpu_seconds(family(self._roots))
        reading.cpu = {name: max(0.0, used - self._cpu.get(name, 0.0)) for name, used in after.items()}
        self._watcher.join()
        reading.wal_bytes = self._stand.number(WAL) - self._wal
        if self._flames:
            self._flames.stop(self._log.top(self._mark, MOST))
        reading.statements = sum(one.is_statement for one in self.sampled()) / self._log.share

    def sampled(self) -> list[Sampled]:
        """The statements of this stretch that are in the sample; once it is over."""
        if self._sampled is None:
            self._sampled = self._log.since(self._mark)
        return self._sampled

    def steps(self, count: int) -> dict[str, float]:
        """Microseconds of the server for each of ``count`` things, by the kind of statement."""
        spent: dict[str, float] = {}
        for one in self.sampled():
            spent[one.kind] = spent.get(one.kind, 0.0) + one.milliseconds
        return {kind: 1000 * used / self.share / count for kind, used in sorted(spent.items(), key=lambda it: -it[1])}

    def memory_of(self, program: str) -> list[tuple[float, float]]:
        """(seconds, bytes)."""
        return self._memory.get(program, [])

    @property
    def share(self) -> float:
        return self._log.share

    def _watch(self) -> None:
        """Whoever looks more often than that sees only the web more often: it alone is a matter of milliseconds."""
        looked_at = time.monotonic()
        while not self._over.wait(self._memory_every):
            if self._memory_every >= WHOLE_EVERY or time.monotonic() - looked_at >= WHOLE_EVERY:
                self._processes, looked_at = family(self._roots), time.monotonic()
                self._look(self._processes)
            else:
                self._look({OFTEN: self._processes.get(OFTEN, [])})

    def _look(self, processes: dict[str, list[psutil.Process]]) -> None:
        reading, moment = self.reading, max(0.0, time.monotonic() - self._started)
        self._used |= memory_bytes(processes)
        for name in processes:
            reading.memory[name] = max(self._used[name], reading.memory.get(name, 0.0))
            self._memory.setdefault(name, []).append((moment, self._used[name]))
        total = sum(self._used.values())
        reading.memory_most = max(reading.memory_most, total)
        reading.memory_curve.append((moment, total))
