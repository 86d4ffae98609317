"""The broker and the database: killed, restarted, away, standing still, full, or cut off from their clients."""

import signal
from collections.abc import Iterator
from contextlib import suppress

import psutil
import psycopg

from config.local import embedded
from config.local.embedded import POSTGRES, VALKEY
from tests.faults.injectors.fault import Victim, fault


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


@fault("SIGSTOP PostgreSQL", seconds=4.0)
def stall_postgres(on: Victim) -> Iterator[None]:
    server = on.house.server(POSTGRES)
    server.suspend()  # first: it begins nobody else meanwhile
    family = [server, *server.children(recursive=True)]
    for process in family:
        with suppress(psutil.NoSuchProcess):  # somebody has just hung up
            process.suspend()
    yield
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.resume()
