"""Run the whole platform in one foreground process group: servers, migrations, login, then the programs.

`launch` has begun before Django was loaded. The programs are forks of this process: it loads all of them once, so they
share that memory and start at once. It keeps no thread and no connection, which forks would share.
"""

import gc
import os
import signal
import sys
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import kombu.transport.redis  # noqa: F401 (loaded for the programs, like the modules above)
import structlog
from django.conf import settings
from django.db import Error, connection
from django.utils.module_loading import import_string
from kombu.connection import Connection as BrokerConnection

from config import env, machine
from config.celery import app
from config.local.first_login import FirstLogin
from config.local.forked import ForkedProcess
from config.local.launch import PROGRAMS, CannotRun, Launch, address
from config.local.process_guard import PULSES, ProcessGuard
from config.local.stuck import StuckWatch
from config.local.supervise import Child, CrashLoop, Process, Supervisor
from config.ops.migrations import missing_migrations
from config.postgresql.pooled_requests import shares_sessions
from webhooks.encryption.check import keys_problem
from webhooks.kit.encryption import decrypt, encrypt
from webhooks.kit.process.free_memory import return_free_memory

DRAIN_WITHIN = 25.0  # seconds for workers to stop: an attempt may take 15, then its result is settled
STOP_WITHIN = 10.0  # seconds for other programs and servers to stop
ATTACH_EVERY = 2.0  # seconds between two checks that the keepers of the embedded servers run
READY_EVERY = 0.02  # seconds between two requests of the probe, until it is ready
MIGRATE = "config.upgrade.run.migrate_at_start"  # loaded in the fork that migrates, which ends: it takes some MiB
log = structlog.get_logger("waypost.up")
PROGRAM_MODULES = (  # what the programs import when they run
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.events",
    "celery.app.log",
    "celery.app.routes",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "celery.concurrency.solo",
    "celery.events.receiver",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.consumer.delayed_delivery",
    "celery.worker.loops",
    "celery.worker.strategy",
    "config.ops.pool_growth",
    "config.ops.worker_heartbeat",
    "config.schedule.step",
    "config.web.application",
    "config.web.server",
    "django.contrib.messages.storage.fallback",
    "django.contrib.sessions.serializers",
    "kombu.asynchronous.hub",
    "kombu.transport.redis",
    "uvicorn.lifespan.off",
    "uvicorn.loops.uvloop",
)


def run(launch: Launch) -> None:
    """Run the platform until SIGINT or SIGTERM. Raises CannotRun."""
    launch.await_servers()
    preparation = Preparation(Path(settings.WAYPOST_DATA))
    load_programs()
    login = preparation.login()
    listener = None if launch.listener is None else launch.listener.fileno()
    children = programs(launch.host, launch.port, listener, launch.programs)
    supervisor = Supervisor(children, ProcessGuard(launch.family), sys.stdout.isatty())
    supervisor.stuck = StuckWatch(env.create_directory(Path(settings.WAYPOST_DATA) / PULSES))
    supervisor.as_json = settings.WAYPOST_LOG_FORMAT == "json"
    supervisor.start_child = _fork(supervisor, launch)
    _supervise(supervisor, launch, login)
    launch.leave(STOP_WITHIN)


def load_programs() -> None:
    """Load all that the programs need, and leave it out of garbage collection, which would copy it into each fork."""
    for module in (*PROGRAM_MODULES, settings.ROOT_URLCONF):
        import_module(module)
    app.finalize()
    app.loader.init_worker()  # once: each worker would find the tasks and configure logging again
    decrypt(encrypt(""))  # OpenSSL takes 6 MiB when it is used for the first time
    return_free_memory()
    gc.freeze()


# --- before the programs start ---------------------------------------------------------------------------------


class Preparation:
    """Migrate and create the login in a fork, while this process loads the programs.

    The connections and the migrations are gone with the fork.
    """

    def __init__(self, data: Path) -> None:
        context = get_context("fork")
        self._reader, writer = context.Pipe(duplex=False)
        self._process = context.Process(target=_prepare_and_report, args=(data, writer))
        self._process.start()
        writer.close()

    def login(self) -> str:
        """Wait for the end, and return the login. Raises CannotRun."""
        try:
            login, error = self._reader.recv()
        except EOFError:
            login, error = "", "the preparation of the database ended without a result"
        self._reader.close()
        self._process.join()
        if error:
            raise CannotRun(error)
        return str(login)


def _prepare_and_report(data: Path, writer: "Connection[tuple[str, str], None]") -> None:
    try:
        _check_servers()
        with ThreadPoolExecutor(1) as beside:  # hashing takes half a second of a processor, and no interpreter's lock
            login = FirstLogin(data, beside)
            _migrate()
            if problem := keys_problem():
                raise CannotRun(problem)
            writer.send((login.created(), ""))
    except CannotRun as error:
        writer.send(("", str(error)))


def _check_servers() -> None:
    try:
        connection.ensure_connection()
    except Error as error:
        raise CannotRun(f"DATABASE_URL: {_first_line(error)}") from None
    if not settings.WAYPOST_EMBEDDED_DATABASE and shares_sessions(connection.get_connection_params()):
        raise CannotRun(
            "DATABASE_URL: a pooler in transaction mode keeps no session, which workers need; "
            "name the server itself in WAYPOST_DIRECT_DATABASE_URL"
        )
    try:
        with BrokerConnection(settings.CELERY_BROKER_URL, connect_timeout=3) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=3)
    except Exception as error:  # the error's class depends on the broker
        raise CannotRun(f"REDIS_URL: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _migrate() -> None:
    if not missing_migrations():
        return
    migrate_at_start: Callable[[Callable[[str], None]], str] = import_string(MIGRATE)
    if problem := migrate_at_start(lambda line: log.info("migrating", step=line.strip())):
        raise CannotRun(problem)


# --- the programs ----------------------------------------------------------------------------------------------


def programs(host: str, port: int, listener: int | None = None, chosen: Sequence[str] = PROGRAMS) -> list[Child]:
    """Return the chosen programs of the platform. The workers stop first, the web last.

    A drain needs no process beside it, so each is a worker without a pool. The other tasks start with one process, and
    get another, up to WAYPOST_DEFAULT_WORKERS, whenever a task would wait; the parent of these runs the schedule.
    The web processes accept from the socket `listener`, a descriptor; without one they open it themselves.
    """
    python = [sys.executable, "-m"]
    worker = [*python, "config.worker"]
    web = [*python, "config.web", "--host", host, "--port", str(port)]
    deliver = ["--queue", "delivery", "--processes", "0"]
    work = ["--queue", "default", "--processes", str(settings.WAYPOST_DEFAULT_WORKERS), "--schedule"]
    if listener is None:
        servers = [Child("web", [*web, "--workers", str(settings.WAYPOST_WEB_WORKERS)], 2, STOP_WITHIN)]
    else:
        command = [*web, "--workers", "1", "--listener", str(listener)]
        servers = [Child(name, command, 2, STOP_WITHIN) for name in _names("web", settings.WAYPOST_WEB_WORKERS)]
    drains = [
        Child(name, [*worker, f"{name}@%h", *deliver], 1, DRAIN_WITHIN)
        for name in _names("deliver", settings.WAYPOST_DELIVERY_WORKERS)
    ]
    found = {"web": servers, "deliver": drains, "work": [Child("work", [*worker, "work@%h", *work], 1, DRAIN_WITHIN)]}
    if settings.WAYPOST_METRICS_PORT:
        probes = [Child("probes", [*python, "config.web", "--probes"], 2, STOP_WITHIN)]
    else:
        probes = []
    return [*(child for name in ("deliver", "work", "web") if name in chosen for child in found[name]), *probes]


def _names(name: str, count: int) -> list[str]:
    """Return the names of several programs that are the same: web, web2, ..."""
    return [name, *(f"{name}{number}" for number in range(2, count + 1))]


def _fork(supervisor: Supervisor, launch: Launch) -> Callable[[Child, ProcessGuard], Process]:
    """Return the function that starts a program as a fork, which leaves the files of this process behind."""

    def start(child: Child, guard: ProcessGuard) -> Process:
        def release() -> None:
            supervisor.release()
            os.close(launch.lock)
            if launch.listener is not None and "--listener" not in child.command:
                launch.listener.close()

        return ForkedProcess(child.command, guard, child.name, release)

    return start


def _supervise(supervisor: Supervisor, launch: Launch, login: str) -> None:
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, supervisor.request_stop)
    supervisor.wake_on_signals()
    where, probes = address(launch.host, launch.port), _address_of_probes(launch)
    try:
        supervisor.print_line("up", _chosen_sizes())
        supervisor.start()
        ready = False
        while not supervisor.stopping:
            supervisor.check(ATTACH_EVERY if ready else READY_EVERY)
            launch.attach()
            if not ready and (ready := not probes or _is_ready(probes)):
                supervisor.print_line("up", _announcement(launch, where, login))
    except CrashLoop as error:
        raise CannotRun(str(error)) from None
    finally:
        supervisor.stop()


def _address_of_probes(launch: Launch) -> str:
    """Return where the probes of this machine are served; empty: nowhere."""
    if settings.WAYPOST_METRICS_PORT:
        return address(settings.WAYPOST_METRICS_HOST, settings.WAYPOST_METRICS_PORT)
    return address(launch.host, launch.port) if launch.listener is not None else ""


def _is_ready(where: str) -> bool:
    try:
        return bool(_direct.open(f"{where}/readyz", timeout=1).status == 200)
    except OSError:
        return False


def _chosen_sizes() -> str:
    """Return what the platform uses of this machine, in one line."""
    web, threads = settings.WAYPOST_WEB_WORKERS, settings.WAYPOST_WEB_THREADS
    machine_size = f"{machine.cores():g} processors and {machine.memory() / machine.GIB:.1f} GiB"
    workers = (
        f"{settings.WAYPOST_DELIVERY_WORKERS} for deliveries, up to {settings.WAYPOST_DEFAULT_WORKERS} for other tasks"
    )
    return f"for {machine_size}: processes: {web} for the web (of {threads} threads), {workers}"


def _announcement(launch: Launch, where: str, login: str) -> str:
    if launch.listener is None:
        return f"ready: {', '.join(launch.programs)}"
    known = f" ({login})" if login else ""
    api, inbound = f"{where}/api/v1/docs/", f"{where}/in/<source>/"
    return f"ready: {where}/  api {api}  admin {where}/admin/{known}  inbound {inbound}"


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the probe must not go through a proxy
