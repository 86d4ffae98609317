"""Measure how busy a drain is, and report it every few seconds.

Nothing is measured for a single delivery: the drain adds up a few numbers in each turn, and a report is one statement.
A process whose drains are idle, and end after a few seconds, reports as often, at the end of one of them.
"""

import math
import os
import time
from dataclasses import dataclass

from delivery.load import heartbeats
from delivery.load.machine import NAME, Processors, free_disk
from delivery.sql.load.reports import DrainReportRow, is_another_drain_idler, write_drain_report
from webhooks.kit.process.per_process import PerProcess

REPORT_EVERY = 5.0  # seconds
BUSY = 0.7  # part of its time that a drain spends in turns, beyond which it leaves lanes to others
MINUTE = 60.0  # seconds over which ``minute_load`` and ``machine_cpu`` are averaged


@dataclass(slots=True)
class _Reported:
    """When this process last reported, in monotonic seconds, and the averages over a minute that it reported.

    A process runs one drain after the other.
    """

    at: float = -math.inf
    load: float = 0.0
    machine_cpu: float = 0.0


_reported = PerProcess(_Reported)


class DrainMeter:
    """Add up what one drain does. Call all methods in the thread of the drain.

    ``claimed`` and ``settled`` count deliveries since the last report, which said ``load``.
    """

    def __init__(self) -> None:
        self.claimed = self.settled = 0
        self.load = 0.0
        self._started_at = time.monotonic()
        self._processors = Processors()
        self._begin()

    def _begin(self) -> None:
        self.claimed = self.settled = 0
        self._busy, self._turns, self._work = 0.0, 0, 0
        self._began_at, self._thread_time = time.monotonic(), time.thread_time()

    def on_turn_ended(self, seconds: float, work: int) -> None:
        """Record a turn of ``seconds``, and how many attempts it started and ended (``work``)."""
        self._busy += seconds
        self._turns += work > 0
        self._work += work

    def is_due(self, *, at_end: bool = False) -> bool:
        """Return whether a report is due; when a drain ends, only if its process has not reported lately."""
        since = _reported().at if at_end else self._began_at
        return time.monotonic() - since >= REPORT_EVERY

    def report(self, *, in_flight: int, max_in_flight: int, held: int, lanes: int) -> None:
        """Write the report of the time since the last one. Raises django.db.Error, and then keeps what was measured.

        ``in_flight``: attempts, and how many there may be. ``held``: deliveries claimed ahead. ``lanes``: leased ones.
        """
        disk_free = free_disk()
        now = time.monotonic()
        elapsed = max(now - self._began_at, 0.001)
        load = min(self._busy / elapsed, 1.0)
        waiting = min(max(self._busy - (time.thread_time() - self._thread_time), 0.0) / elapsed, load)
        cpu, machine_cpu = self._processors.read()
        before = _reported()
        weight = 1.0 if now - before.at > MINUTE else 1 - math.exp((before.at - now) / MINUTE)
        minute_load = before.load + weight * (load - before.load)
        machine_cpu = before.machine_cpu + weight * (machine_cpu - before.machine_cpu)
        write_drain_report(
            DrainReportRow(
                machine=NAME,
                pid=os.getpid(),
                seconds_running=now - self._started_at,
                cpu=cpu,
                machine_cpu=machine_cpu,
                load=load,
                minute_load=minute_load,
                waiting=waiting,
                turn_size=self._work / max(self._turns, 1),
                in_flight=in_flight,
                max_in_flight=max_in_flight,
                held=held,
                lanes=lanes,
                claimed_per_second=self.claimed / elapsed,
                settled_per_second=self.settled / elapsed,
                disk_free=disk_free,
            )
        )
        if (heartbeat := heartbeats.current()) is not None:
            if self._work:
                heartbeat.on_work("attempts")
            heartbeat.write()
        before.at, before.load, before.machine_cpu = now, minute_load, machine_cpu
        self.load = load
        self._begin()

    def is_another_drain_idler(self) -> bool:
        """Return whether this drain is busy, by its last report, and another one at most half as much."""
        return self.load > BUSY and is_another_drain_idler(NAME, os.getpid(), self.load)
