"""Inject faults into the broker and the database: killed, restarted, gone, stopped, full, or without connections."""

import signal
from collections.abc import Iterator
from contextlib import suppress

import psutil
import psycopg

from config.local import embedded
from config.local.embedded import POSTGRES, VALKEY
from tests.faults.injectors.fault import FaultTarget, fault


@fault("kill -9 Valkey", required_status=202)
def kill_valkey(target: FaultTarget) -> Iterator[None]:
    target.platform.server(VALKEY).kill()
    yield


@fault("Valkey gone", seconds=5.0, required_status=202)
def no_valkey(target: FaultTarget) -> Iterator[None]:
    keeper = target.platform.keeper(VALKEY)
    keeper.suspend()
    target.platform.server(VALKEY).kill()
    yield
    keeper.resume()


@fault("SIGSTOP Valkey", seconds=5.0, required_status=202)
def stall_valkey(target: FaultTarget) -> Iterator[None]:
    server = target.platform.server(VALKEY)
    server.suspend()
    yield
    server.resume()


@fault("FLUSHALL", required_status=202)
def flush_valkey(target: FaultTarget) -> Iterator[None]:
    with target.platform.valkey() as valkey:
        valkey.flushall()
    yield


@fault("Valkey full", seconds=5.0, required_status=202)
def fill_valkey(target: FaultTarget) -> Iterator[None]:
    with target.platform.valkey() as valkey:
        usual = valkey.config_get("maxmemory")["maxmemory"]
        valkey.config_set("maxmemory", 1)  # byte; the policy noeviction rejects commands that need memory
        yield
        valkey.config_set("maxmemory", usual)


@fault("PostgreSQL restarted, fast")
def restart_fast(target: FaultTarget) -> Iterator[None]:
    target.platform.server(POSTGRES).send_signal(signal.SIGINT)
    yield


@fault("PostgreSQL restarted, immediate")
def restart_immediate(target: FaultTarget) -> Iterator[None]:
    target.platform.server(POSTGRES).send_signal(signal.SIGQUIT)
    yield


@fault("kill -9 PostgreSQL")
def kill_postgres(target: FaultTarget) -> Iterator[None]:
    target.platform.server(POSTGRES).kill()
    yield


@fault("PostgreSQL gone", seconds=6.0)
def no_postgres(target: FaultTarget) -> Iterator[None]:
    keeper = target.platform.keeper(POSTGRES)
    keeper.suspend()
    target.platform.server(POSTGRES).send_signal(signal.SIGINT)
    yield
    keeper.resume()


@fault("all connections terminated")
def terminate_backends(target: FaultTarget) -> Iterator[None]:
    target.platform.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    yield


@fault("a transaction left open", seconds=5.0, required_status=202)
def leave_open(target: FaultTarget) -> Iterator[None]:
    with psycopg.connect(embedded.database_url(target.platform.data)) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT count(*) FROM delivery_delivery")
        yield


@fault("SIGSTOP PostgreSQL", seconds=4.0)
def stall_postgres(target: FaultTarget) -> Iterator[None]:
    server = target.platform.server(POSTGRES)
    server.suspend()  # first, so that it starts no other backend
    server_processes = [server, *server.children(recursive=True)]
    for process in server_processes:
        with suppress(psutil.NoSuchProcess):  # a backend has just ended
            process.suspend()
    yield
    for process in server_processes:
        with suppress(psutil.NoSuchProcess):
            process.resume()
