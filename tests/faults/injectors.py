"""The faults, one function each: what stands before its ``yield`` breaks something, what stands after it mends it.

A fault says how long it lasts, and how many drains it can cut off from what they have in flight: each attempt in
flight may be made once more then, and no other may.
"""

import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from config import embedded
from config.embedded import POSTGRES, VALKEY
from tests.faults.house import House
from tests.faults.proxy import MODES, Proxy

PLAIN, SMALL_DISK, FAKED_CLOCK = "plain", "small disk", "faked clock"  # the house a fault wants


@dataclass(frozen=True)
class Victim:
    """What a fault may lay hands on. ``dice`` decides whatever is left to chance."""

    house: House
    proxy: Proxy
    dice: random.Random


@dataclass(frozen=True)
class Fault:
    """``seconds`` from breaking to mending; ``cuts`` drains at most; ``always`` is the status that publishing has to
    answer all the while, if there is one."""

    name: str
    strike: Callable[[Victim], AbstractContextManager[None]]
    seconds: float = 0.0
    cuts: int = 0
    always: int | None = None
    wants: str = PLAIN


FAULTS: dict[str, Fault] = {}
Striking = Callable[[Victim], Iterator[None]]


def fault(name: str, **traits: object) -> Callable[[Striking], Striking]:
    def note(strike: Striking) -> Striking:
        FAULTS[name] = Fault(name, contextmanager(strike), **traits)  # type: ignore[arg-type]
        return strike

    return note


# Processes that die.


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


# Processes that stall.


@fault("SIGSTOP a delivery process past lease and claim", seconds=20.0, cuts=1)
def stall_drain(on: Victim) -> Iterator[None]:
    process = busiest(on.house.part("deliver")[1:])
    process.suspend()
    yield
    process.resume()


@fault("SIGSTOP PostgreSQL", seconds=4.0)
def stall_postgres(on: Victim) -> Iterator[None]:
    server = on.house.server(POSTGRES)
    family = [server, *server.children(recursive=True)]
    for process in family:
        process.suspend()
    yield
    for process in family:
        process.resume()


# The broker.


@fault("kill -9 Valkey", always=202)
def kill_valkey(on: Victim) -> Iterator[None]:
    on.house.server(VALKEY).kill()
    yield


@fault("Valkey gone", seconds=5.0, always=202)
def no_valkey(on: Victim) -> Iterator[None]:
    keeper = on.house.keeper(VALKEY)
    keeper.suspend()
    on.house.server(VALKEY).kill()
    yield
    keeper.resume()


@fault("SIGSTOP Valkey", seconds=5.0, always=202)
def stall_valkey(on: Victim) -> Iterator[None]:
    server = on.house.server(VALKEY)
    server.suspend()
    yield
    server.resume()


@fault("FLUSHALL", always=202)
def flush_valkey(on: Victim) -> Iterator[None]:
    with on.house.valkey() as valkey:
        valkey.flushall()
    yield


@fault("Valkey full", seconds=5.0, always=202)
def fill_valkey(on: Victim) -> Iterator[None]:
    with on.house.valkey() as valkey:
        usual = valkey.config_get("maxmemory")["maxmemory"]
        valkey.config_set("maxmemory", 1)  # byte; what asks for memory is refused: noeviction
        yield
        valkey.config_set("maxmemory", usual)


# The database.


@fault("PostgreSQL restarted, fast")
def restart_fast(on: Victim) -> Iterator[None]:
    on.house.server(POSTGRES).send_signal(signal.SIGINT)
    yield


@fault("PostgreSQL restarted, immediate")
def restart_immediate(on: Victim) -> Iterator[None]:
    on.house.server(POSTGRES).send_signal(signal.SIGQUIT)
    yield


@fault("kill -9 PostgreSQL")
def kill_postgres(on: Victim) -> Iterator[None]:
    on.house.server(POSTGRES).kill()
    yield


@fault("PostgreSQL gone", seconds=6.0)
def no_postgres(on: Victim) -> Iterator[None]:
    keeper = on.house.keeper(POSTGRES)
    keeper.suspend()
    on.house.server(POSTGRES).send_signal(signal.SIGINT)
    yield
    keeper.resume()


@fault("all connections terminated")
def terminate_backends(on: Victim) -> Iterator[None]:
    on.house.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    yield


@fault("a transaction left open", seconds=5.0, always=202)
def leave_open(on: Victim) -> Iterator[None]:
    with psycopg.connect(embedded.database_url(on.house.data)) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT count(*) FROM delivery_delivery")
        yield


@fault("the disk of PostgreSQL full", seconds=6.0, wants=SMALL_DISK)
def fill_disk(on: Victim) -> Iterator[None]:
    ballast = on.house.data / "postgres" / "home" / "ballast"
    fill(ballast)
    yield
    ballast.unlink()


# The clock.


def jump(name: str, seconds: int) -> None:
    @fault(name, seconds=4.0, cuts=1, wants=FAKED_CLOCK)
    def strike(on: Victim) -> Iterator[None]:
        on.house.clock.write_text(str(seconds))
        yield
        on.house.clock.write_text("0")


jump("the clock an hour ahead, and back", 3_600)
jump("the clock an hour behind, and back", -3_600)


# The endpoint.


def misbehave(mode: str) -> None:
    @fault(f"an endpoint: {mode}", seconds=4.0, always=202)
    def strike(on: Victim) -> Iterator[None]:
        on.proxy.mode = mode
        yield
        on.proxy.mode = "pass"


for _mode in MODES[1:]:
    misbehave(_mode)


def fill(ballast: Path) -> None:
    """Take every byte there is, down to the last page."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1024**2, 4096):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


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
