"""Processes of the platform that are killed, or stand still for a while."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

import psutil

from tests.faults.house import House
from tests.faults.injectors.fault import Victim, fault


@fault("kill -9 a delivery process", cuts=1)
def kill_drain(on: Victim) -> Iterator[None]:
    busiest(on.house.part("deliver")[1:]).kill()
    yield


@fault("kill -9 the parent of the delivery processes", cuts=1)
def kill_worker(on: Victim) -> Iterator[None]:
    on.house.part("deliver")[0].kill()
    yield


@fault("kill -9 the delivery processes, parent and all", cuts=2)
def kill_workers(on: Victim) -> Iterator[None]:
    kill(on.house.part("deliver"))
    yield


@fault("kill -9 a web process")
def kill_web(on: Victim) -> Iterator[None]:
    on.dice.choice(on.house.part("web")).kill()
    yield


@fault("kill -9 beat", seconds=2.0)
def kill_beat(on: Victim) -> Iterator[None]:
    on.house.part("beat")[0].kill()
    yield


@fault("kill -9 the whole group, then up", seconds=1.0, cuts=2)
def kill_group(on: Victim) -> Iterator[None]:
    kill_platform(on.house)
    yield
    on.house.up()


@fault("kill -9 everything, servers too, then up", seconds=1.0, cuts=2)
def kill_everything(on: Victim) -> Iterator[None]:
    kill(on.house.everybody())
    on.house.reap()
    yield
    on.house.up()


@fault("SIGTERM, then SIGKILL, under load", seconds=0.5, cuts=2)
def stop_in_haste(on: Victim) -> Iterator[None]:
    assert on.house.process is not None
    on.house.process.terminate()
    time.sleep(on.dice.uniform(0.1, 2.0))
    kill_platform(on.house)
    yield
    on.house.up()


@fault("SIGSTOP a delivery process past lease and claim", seconds=20.0, cuts=1)
def stall_drain(on: Victim) -> Iterator[None]:
    process = busiest(on.house.part("deliver")[1:])
    process.suspend()
    yield
    process.resume()


def busiest(processes: list[psutil.Process]) -> psutil.Process:
    """The one that has used the most of the processor just now."""
    before = [sum(process.cpu_times()[:2]) for process in processes]
    time.sleep(0.3)
    used = [sum(process.cpu_times()[:2]) - past for process, past in zip(processes, before, strict=True)]
    return processes[used.index(max(used))]


def kill_platform(house: House) -> None:
    """All but the embedded servers and their keepers, which notice by themselves."""
    kill(house.platform())
    house.reap()


def kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
