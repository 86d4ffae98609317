"""Test how the processes of a deployment are found, and what is read of them."""

import os
import sys
from pathlib import Path

import psutil

from benchmarks.processes import OTHER, cpu_seconds, memory_bytes, processes_of
from tests.processes import start
from tests.waiting import wait_until

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'], env={})"


def test_processes_are_those_that_name_the_directory_and_all_below_them(tmp_path: Path) -> None:
    named = start([sys.executable, "-c", PARENT], env={**os.environ, "WAYPOST_DATA": str(tmp_path)}, stdin=-1)
    worker = start([sys.executable, "-c", "input()", str(tmp_path), "deliver@here"], stdin=-1)
    other = start([sys.executable, "-c", "input()"], stdin=-1)
    wait_until(lambda: psutil.Process(named.pid).children(), "the child")
    child = psutil.Process(named.pid).children()[0].pid
    found = processes_of(tmp_path)
    assert {name: {one.pid for one in family} for name, family in found.items()} == {
        OTHER: {named.pid, child},
        "drains": {worker.pid},
    }
    assert min(memory_bytes(found).values()) > 0
    assert set(cpu_seconds(found)) == {OTHER, "drains"}
    for one in (named, worker, other):
        one.kill()
        one.communicate()  # closes its pipe
    assert memory_bytes(found)["drains"] == 0.0
