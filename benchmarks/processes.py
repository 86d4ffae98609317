"""Whose CPU and whose memory: the processes of the stand, program by program.

CPU is what the kernel has charged each process, and each parent for children that have ended. Memory is the
proportional share (PSS) where the kernel tells it, so that pages that several share are counted once; elsewhere
the resident size.
"""

from collections.abc import Iterable

import psutil

__all__ = ["cpu_seconds", "family", "memory_bytes"]

PROGRAMS = {"granian": "web", "deliver@": "deliver", "work@": "work", " beat": "beat"}


def family(roots: dict[str, int]) -> dict[str, list[psutil.Process]]:
    """The processes below these, by program. ``up`` is told apart into what it runs."""
    found: dict[str, list[psutil.Process]] = {}
    for name, pid in roots.items():
        try:
            root = psutil.Process(pid)
            for process in (root, *root.children(recursive=True)):
                found.setdefault(_program(process) if name == "up" else name, []).append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def _program(process: psutil.Process) -> str:
    """By the command line of the process or of the nearest parent that has one we know."""
    for one in (process, *process.parents()):
        command = " ".join(one.cmdline())
        for mark, program in PROGRAMS.items():
            if mark in command:
                return program
    return "up"


def cpu_seconds(processes: dict[str, list[psutil.Process]]) -> dict[str, float]:
    return {name: sum(_cpu(process) for process in ones) for name, ones in processes.items()}


def memory_bytes(processes: dict[str, list[psutil.Process]]) -> dict[str, float]:
    return {name: sum(_memory(ones)) for name, ones in processes.items()}


def _cpu(process: psutil.Process) -> float:
    try:
        return float(sum(process.cpu_times()[:4]))  # user, system, and those of children that have ended
    except psutil.Error:
        return 0.0


def _memory(processes: Iterable[psutil.Process]) -> Iterable[float]:
    for process in processes:
        try:
            full = process.memory_full_info()
            yield float(getattr(full, "pss", full.rss))
        except psutil.Error:
            continue
