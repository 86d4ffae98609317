"""Kill or stop processes of the platform."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

import psutil

from tests.faults.injectors.fault import FaultTarget, fault
from tests.faults.running_platform import Platform


@fault("kill -9 a delivery process", cut_drains=1)
def kill_drain(target: FaultTarget) -> Iterator[None]:
    busiest(target.platform.program("deliver")).kill()
    yield


@fault("kill -9 the parent of the processes that route deferred events, which runs the schedule", seconds=2.0)
def kill_worker(target: FaultTarget) -> Iterator[None]:
    target.platform.program("work")[0].kill()
    yield


@fault("kill -9 all delivery processes", cut_drains=2)
def kill_workers(target: FaultTarget) -> Iterator[None]:
    kill(target.platform.program("deliver"))
    yield


@fault("kill -9 the processes that route deferred events")
def kill_other_workers(target: FaultTarget) -> Iterator[None]:
    kill(target.platform.program("work")[1:])
    yield


@fault("SIGSTOP a process that routes deferred events past its claim", seconds=12.0)
def stop_other_worker(target: FaultTarget) -> Iterator[None]:
    process = busiest(target.platform.program("work")[1:])
    process.suspend()
    yield
    process.resume()


@fault("kill -9 a web process")
def kill_web(target: FaultTarget) -> Iterator[None]:
    target.chance.choice(target.platform.program("web")).kill()
    yield


@fault("kill -9 the whole group, then up", seconds=1.0, cut_drains=2)
def kill_group(target: FaultTarget) -> Iterator[None]:
    kill_platform(target.platform)
    yield
    target.platform.up()


@fault("kill -9 everything, servers too, then up", seconds=1.0, cut_drains=2)
def kill_everything(target: FaultTarget) -> Iterator[None]:
    kill(target.platform.processes())
    target.platform.wait_killed()
    yield
    target.platform.up()


@fault("SIGTERM, then SIGKILL, under load", seconds=0.5, cut_drains=2)
def stop_and_kill(target: FaultTarget) -> Iterator[None]:
    assert target.platform.process is not None
    target.platform.process.terminate()
    time.sleep(target.chance.uniform(0.1, 2.0))
    kill_platform(target.platform)
    yield
    target.platform.up()


@fault("SIGSTOP a delivery process past lease and claim", seconds=20.0, cut_drains=1)
def stall_drain(target: FaultTarget) -> Iterator[None]:
    process = busiest(target.platform.program("deliver"))
    process.suspend()
    yield
    process.resume()


def busiest(processes: list[psutil.Process]) -> psutil.Process:
    """Return the process that used the most CPU time in the last 0.3 seconds."""
    before = [sum(process.cpu_times()[:2]) for process in processes]
    time.sleep(0.3)
    used = [sum(process.cpu_times()[:2]) - past for process, past in zip(processes, before, strict=True)]
    return processes[used.index(max(used))]


def kill_platform(platform: Platform) -> None:
    """Kill all but the embedded servers and their keepers, which notice by themselves."""
    kill(platform.up_processes())
    platform.wait_killed()


def kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
