"""The whole platform in one foreground process group, in this order: servers, migrations, login, programs.

Whatever stands in the way is found before anything is started, and said in one line.
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
from kombu import Connection

from config import env
from config.local import embedded
from config.local.embedded.lease import take
from config.local.process_guard import ProcessGuard
from config.local.supervise import Child, KeepsDying, Supervisor, end_leftovers

DRAIN_WITHIN = 25.0  # seconds; an attempt may take 15, and its result has to be written
STOP_WITHIN = 10.0
LAST_PORT = 65_535
MIGRATING = 0x7761_7970  # the advisory lock under which one of several platforms migrates a shared database
_SERVERS = {"WAYPOST_EMBEDDED_DATABASE": embedded.POSTGRES, "WAYPOST_EMBEDDED_BROKER": embedded.VALKEY}


class CannotRun(Exception):
    """Something is in the way; the message is one line for the operator."""


def run(host: str, port: int) -> None:
    """Run until a signal says stop. Raises CannotRun."""
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
    lock = env.directory(data / "up") / "lock"
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
        raise CannotRun(f"{port} is no port: give --port a number from 1 to {LAST_PORT}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise CannotRun(f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port") from None


def _attach(data: Path) -> None:
    """Start the embedded servers that are in use, or join those who use them."""
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
    except Exception as error:  # each transport has errors of its own
        raise CannotRun(f"REDIS_URL: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _migrate() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATING])
        try:
            call_command("migrate", verbosity=0, interactive=False)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATING])


def _login(data: Path) -> str:
    """Make the first login for the admin. The password is told for as long as we know it: kept in a file."""
    users = get_user_model().objects
    kept = data / "secrets" / "admin_password"
    if not users.filter(is_superuser=True).exists():
        users.create_superuser("admin", password=env.kept(kept, lambda: secrets.token_urlsafe(12)))
    connection.close()
    if not kept.exists():
        return ""
    return f"admin, password in {kept}" if settings.IN_PRODUCTION else f"admin / {kept.read_text().strip()}"


# --- the programs ----------------------------------------------------------------------------------------------


def programs(host: str, port: int) -> list[Child]:
    """Who rings and who works stops first, who lets work in last: publishing is never refused for a slow drain."""
    python = [sys.executable, "-m"]
    celery = [*python, "celery", "-q", "-A", "config.celery"]
    worker = [*celery, "worker", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    web = ["--host", host, "--port", str(port), "--no-ws", "--log-level", "error"]
    web += ["--workers", str(settings.WAYPOST_WEB_WORKERS), "--respawn-failed-workers", "--workers-kill-timeout", "8"]
    web += _behind_a_buffer() if settings.WAYPOST_WEB_BUFFERED else _in_the_open()
    deliverers, others = str(settings.WAYPOST_DELIVERY_WORKERS), str(settings.WAYPOST_DEFAULT_WORKERS)
    return [
        Child("beat", [*celery, "beat", "--pidfile="], 1, STOP_WITHIN),
        Child("deliver", [*worker, "-n", "deliver@%h", "-Q", "delivery", "-c", deliverers], 1, DRAIN_WITHIN),
        Child("work", [*worker, "-n", "work@%h", "-Q", "default", "-c", others], 1, DRAIN_WITHIN),
        Child("web", [*python, "granian", *web], 2, STOP_WITHIN),
    ]


def _in_the_open() -> list[str]:
    """Anybody may send as slowly as he likes: connections that wait cost next to nothing (see ``config.web.rsgi``)."""
    return ["config.web.rsgi:application", "--interface", "rsgi", "--backlog", "4096", "--backpressure", "16384"]


def _behind_a_buffer() -> list[str]:
    """A proxy in front hands over whole bodies, so a thread of a plain WSGI server may begin at once."""
    return ["config.wsgi:application", "--interface", "wsgi", "--blocking-threads", str(settings.WAYPOST_WEB_THREADS)]


def _environment(data: Path, host: str, port: int) -> dict[str, str]:
    counters = data / "up" / "counters"  # of this run only
    shutil.rmtree(counters, ignore_errors=True)
    env.directory(counters)
    ours = {
        "PROMETHEUS_MULTIPROC_DIR": str(counters),
        "PYTHONUNBUFFERED": "1",
    }
    if sys.stdout.isatty():
        ours["FORCE_COLOR"] = "1"
    return {"PUBLIC_URL": _address(host, port), **os.environ, **ours}


def _address(host: str, port: int) -> str:
    """How to reach us from this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104 (a name, not a bind)
    return f"http://{name}:{port}"


def _supervise(supervisor: Supervisor, address: str, login: str) -> None:
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, supervisor.request_stop)
    try:
        supervisor.start()
        ready = False
        while not supervisor.stopping:
            supervisor.look()
            _attach(Path(settings.WAYPOST_DATA))  # somebody may have killed the keeper
            if not ready and (ready := _is_ready(address)):
                supervisor.say("up", _announcement(address, login))
    except KeepsDying as error:
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
    """Whoever waits for our end may expect that the servers have ended too, unless somebody else uses them."""
    for setting, server in _SERVERS.items():
        if getattr(settings, setting):
            embedded.leave(server, data, wait=STOP_WITHIN)


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy stands between us and ourselves
