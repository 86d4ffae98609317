"""Find the processes of a deployment by its data directory, and read what they use.

CPU is what the kernel charged each process, and each parent for its ended children. Memory is the proportional share
(PSS), which counts pages that several processes share once.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import psutil

PROGRAMS = {  # by a part of the command line of the process, or of its nearest parent that has one
    "config.web": "web",
    "granian": "web",
    " deliver": "drains",
    "work@": "work",
    "tasks worker": "workers",
    "keeper postgres": "postgres",
    "keeper valkey": "valkey",
}
OTHER = "up"  # the program of all other processes: the supervisor and its guard

Processes = dict[str, list[psutil.Process]]


def processes_of(data: Path) -> Processes:
    """Return the processes that name this data directory in a command line or an environment, and all below them."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if process.pid != os.getpid() and process.pid not in found and _names(process, str(data)):
            found |= {one.pid: one for one in (process, *_descendants(process))}
    return _by_program(found.values())


def cpu_seconds(processes: Processes) -> dict[str, float]:
    """Return the CPU that each program has used so far."""
    return {name: sum(map(_cpu_of, family)) for name, family in processes.items()}


def memory_bytes(processes: Processes) -> dict[str, float]:
    """Return the memory of each program."""
    return {name: sum(map(_memory_of, family)) for name, family in processes.items()}


def _names(process: psutil.Process, directory: str) -> bool:
    try:
        words = [*process.cmdline(), *process.environ().values()]
    except psutil.Error:
        return False
    return any(directory in word for word in words)


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def _by_program(processes: Iterable[psutil.Process]) -> Processes:
    found: Processes = {}
    for process in processes:
        found.setdefault(_program(process), []).append(process)
    return found


def _program(process: psutil.Process) -> str:
    try:
        commands = [" ".join(one.cmdline()) for one in (process, *process.parents())]
    except psutil.NoSuchProcess:
        return OTHER
    return next((name for command in commands for part, name in PROGRAMS.items() if part in command), OTHER)


def _cpu_of(process: psutil.Process) -> float:
    try:
        return float(sum(process.cpu_times()[:4]))  # user, system, and the same of ended children
    except psutil.Error:
        return 0.0


def _memory_of(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss)
    except psutil.Error:
        return 0.0
