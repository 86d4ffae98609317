"""Run the whole platform in one foreground process group: servers, migrations, login, then the programs.

Obstacles are found before anything is started, and reported in one line.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import Error, connection
from kombu.connection import Connection

from config import env
from config.local import embedded
from config.local.embedded.user_lock import take
from config.local.process_guard import ProcessGuard
from config.local.supervise import Child, CrashLoop, Supervisor, end_leftovers

DRAIN_WITHIN = 25.0  # seconds for workers to stop: an attempt may take 15, then its result is settled
STOP_WITHIN = 10.0  # seconds for other programs and servers to stop
LAST_PORT = 65_535
MIGRATION_LOCK = 0x7761_7970  # advisory lock: one of several platforms migrates a shared database
_SERVERS = {"WAYPOST_EMBEDDED_DATABASE": embedded.POSTGRES, "WAYPOST_EMBEDDED_BROKER": embedded.VALKEY}


class CannotRun(Exception):
    """The platform cannot start or go on. The message is one line for the operator."""


def run(host: str, port: int) -> None:
    """Run the platform until SIGINT or SIGTERM. Raises CannotRun."""
    data = Path(settings.WAYPOST_DATA)
    family = str(data / "up")
    with _alone(data):
        end_leftovers(family)
        _check_port(host, port)
        _attach(data)
        _check_servers()
        _migrate()
        login = _login(data)
        environment = _environment(data, host, port)
        supervisor = Supervisor(programs(host, port), environment, ProcessGuard(family), sys.stdout.isatty())
        _supervise(supervisor, _address(host, port), login)
    _leave(data)


# --- before anything is started --------------------------------------------------------------------------------


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    lock = env.create_directory(data / "up") / "lock"
    try:
        descriptor = take(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotRun(f"another platform runs on the data directory {data}; stop it, or set WAYPOST_DATA") from None
    except OSError as error:
        raise CannotRun(f"cannot write to the data directory {data}: {error.strerror}") from None
    try:
        yield
    finally:
        os.close(descriptor)


def _check_port(host: str, port: int) -> None:
    if not 1 <= port <= LAST_PORT:
        raise CannotRun(f"--port must be from 1 to {LAST_PORT}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise CannotRun(f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port") from None


def _attach(data: Path) -> None:
    """Attach to the embedded servers that the settings use, and start them if need be."""
    try:
        for setting, server in _SERVERS.items():
            if getattr(settings, setting):
                embedded.attach(server, data)
    except embedded.EmbeddedError as error:
        raise CannotRun(str(error)) from None


def _check_servers() -> None:
    try:
        connection.ensure_connection()
    except Error as error:
        raise CannotRun(f"DATABASE_URL: {_first_line(error)}") from None
    try:
        with Connection(settings.CELERY_BROKER_URL, connect_timeout=3) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=3)
    except Exception as error:  # the error's class depends on the broker
        raise CannotRun(f"REDIS_URL: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _migrate() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            call_command("migrate", verbosity=0, interactive=False)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def _login(data: Path) -> str:
    """Create the first admin user, and return its login for as long as its password file exists."""
    users = get_user_model().objects
    kept = data / "secrets" / "admin_password"
    if not users.filter(is_superuser=True).exists():
        users.create_superuser("admin", password=env.read_or_create(kept, lambda: secrets.token_urlsafe(12)))
    connection.close()
    if not kept.exists():
        return ""
    return f"admin, password in {kept}" if settings.IN_PRODUCTION else f"admin / {kept.read_text().strip()}"


# --- the programs ----------------------------------------------------------------------------------------------


def programs(host: str, port: int) -> list[Child]:
    """Return the programs of the platform. The scheduler and the workers stop first, the web last."""
    python = [sys.executable, "-m"]
    celery = [*python, "celery", "-q", "-A", "config.celery"]
    worker = [*celery, "worker", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    web = ["--host", host, "--port", str(port), "--workers", str(settings.WAYPOST_WEB_WORKERS)]
    deliverers, others = str(settings.WAYPOST_DELIVERY_WORKERS), str(settings.WAYPOST_DEFAULT_WORKERS)
    return [
        Child("beat", [*celery, "beat", "--pidfile="], 1, STOP_WITHIN),
        Child("deliver", [*worker, "-n", "deliver@%h", "-Q", "delivery", "-c", deliverers], 1, DRAIN_WITHIN),
        Child("work", [*worker, "-n", "work@%h", "-Q", "default", "-c", others], 1, DRAIN_WITHIN),
        Child("web", [*python, "config.web", *web], 2, STOP_WITHIN),
    ]


def _environment(data: Path, host: str, port: int) -> dict[str, str]:
    counters = data / "up" / "counters"  # of this run only
    shutil.rmtree(counters, ignore_errors=True)
    env.create_directory(counters)
    ours = {"PROMETHEUS_MULTIPROC_DIR": str(counters), "PYTHONUNBUFFERED": "1"}
    if sys.stdout.isatty():
        ours["FORCE_COLOR"] = "1"
    return {"PUBLIC_URL": _address(host, port), **os.environ, **ours}


def _address(host: str, port: int) -> str:
    """Return the platform's URL on this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104 (a name, not a bind)
    return f"http://{name}:{port}"


def _supervise(supervisor: Supervisor, address: str, login: str) -> None:
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, supervisor.request_stop)
    try:
        supervisor.start()
        ready = False
        while not supervisor.stopping:
            supervisor.check()
            _attach(Path(settings.WAYPOST_DATA))  # the keeper may have been killed
            if not ready and (ready := _is_ready(address)):
                supervisor.print_line("up", _announcement(address, login))
    except CrashLoop as error:
        raise CannotRun(str(error)) from None
    finally:
        supervisor.stop()


def _is_ready(address: str) -> bool:
    try:
        return bool(_direct.open(f"{address}/readyz", timeout=1).status == 200)
    except OSError:
        return False


def _announcement(address: str, login: str) -> str:
    known = f" ({login})" if login else ""
    api, inbound = f"{address}/api/v1/docs/", f"{address}/in/<source>/"
    return f"ready: {address}/  api {api}  admin {address}/admin/{known}  inbound {inbound}"


def _leave(data: Path) -> None:
    """Wait until the embedded servers have stopped, unless other processes use them."""
    for setting, server in _SERVERS.items():
        if getattr(settings, setting):
            embedded.leave(server, data, wait=STOP_WITHIN)


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the probe must not go through a proxy
