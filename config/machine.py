"""Size the platform for its machine: numbers of processes, and the memory of the embedded PostgreSQL.

The machine is what this process may use of it: the processors of its affinity, and the limits of its control group
(cgroup, versions 1 and 2), as a container sets them. ``docs/scale.md`` has the table.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MIB = 1024**2
GIB = 1024**3
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
SMALL = 2 * GIB  # bytes of memory, below which threads and processes are spared
MIN_SHARED_BUFFERS, MAX_SHARED_BUFFERS = 32 * MIB, 256 * MIB  # of a machine that PostgreSQL shares with all others


@dataclass(frozen=True)
class Sizes:
    """Hold the defaults for a machine. ``shared_buffers``: bytes."""

    web_workers: int
    web_threads: int
    delivery_workers: int
    default_workers: int
    shared_buffers: int


def sizes(cores: float, memory: int) -> Sizes:
    """Return the sizes for ``cores`` processors, which may be a fraction, and ``memory`` bytes."""
    is_small = memory < SMALL
    halves = max(1, int(cores / 2))  # one process for every two processors: the others are PostgreSQL's
    return Sizes(
        web_workers=1 if is_small else halves,
        web_threads=8 if is_small else 16,
        delivery_workers=1 if is_small else halves,
        default_workers=3 if is_small else max(3, halves),
        shared_buffers=max(MIN_SHARED_BUFFERS, min(memory // 32, MAX_SHARED_BUFFERS), memory // 128),
    )


def cores() -> float:
    """Return the processors that this process may use."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        usable = os.cpu_count() or 1
    return min([float(usable), *_processor_limits()])


def memory() -> int:
    """Return the bytes of memory that this process may use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([total, *_memory_limits()])


def own_sizes() -> Sizes:
    """Return the sizes for this machine."""
    return sizes(cores(), memory())


def _processor_limits() -> Iterator[float]:
    for directory in _cgroups("cpu"):
        with suppress(OSError, ValueError):  # version 2: "max 100000" or "150000 100000"
            quota, period = (directory / "cpu.max").read_text().split()
            yield int(quota) / int(period)
        with suppress(OSError, ValueError):  # version 1: -1 is no limit
            quota_1 = int((directory / "cpu.cfs_quota_us").read_text())
            if quota_1 > 0:
                yield quota_1 / int((directory / "cpu.cfs_period_us").read_text())


def _memory_limits() -> Iterator[int]:
    for directory in _cgroups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):  # versions 2 and 1; "max" or a huge number: no limit
            with suppress(OSError, ValueError):
                yield int((directory / name).read_text())


def _cgroups(controller: str) -> Iterator[Path]:
    """Yield the directories of this process's control group and of those around it, as far as they are visible."""
    with suppress(OSError):
        for line in OWN_CGROUP.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            root = CGROUPS / controllers if controllers else CGROUPS
            own = root / path.lstrip("/")
            yield from (it for it in (own, *own.parents) if it == root or root in it.parents)
