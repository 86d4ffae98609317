"""Measure the processors of this machine: their use by all processes, and by this one."""

import os
import shutil
import socket
import time
from pathlib import Path

from django.conf import settings

STAT = Path("/proc/stat")  # Linux; elsewhere the load average is used
NAME = socket.gethostname()[:255]
IDLE_COLUMNS = (3, 4)  # idle and iowait of the line "cpu", proc(5)
GUEST_COLUMN = 8  # guest times from here on are contained in the times before


def free_disk() -> float:
    """Return the part of the disk with the data directory that is free, from 0 to 1; 1 if that is not known."""
    try:
        usage = shutil.disk_usage(settings.WAYPOST_DATA)
    except OSError:
        return 1.0
    return usage.free / usage.total if usage.total else 1.0


class Processors:
    """Measure the processor time between two calls of ``read``."""

    def __init__(self) -> None:
        self._process, self._at = time.process_time(), time.monotonic()
        self._machine = _machine_times()

    def read(self) -> tuple[float, float]:
        """Return, since the last call, how many processors this process used, and the part in use of all of them."""
        process, at, machine = time.process_time(), time.monotonic(), _machine_times()
        cpu = (process - self._process) / max(at - self._at, 0.001)
        total, idle = machine[0] - self._machine[0], machine[1] - self._machine[1]
        self._process, self._at, self._machine = process, at, machine
        return cpu, 1 - idle / total if total > 0 else min(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0)


def _machine_times() -> tuple[int, int]:
    """Return the time of all processors, and how much of it they were idle, in clock ticks; zeros if unknown."""
    try:
        ticks = [int(text) for text in STAT.read_text().split("\n", 1)[0].split()[1 : GUEST_COLUMN + 1]]
    except (OSError, ValueError):
        return 0, 0
    return sum(ticks), sum(ticks[column] for column in IDLE_COLUMNS if column < len(ticks))
