"""Run the whole platform in one foreground process group: servers, migrations, login, then the programs.

`launch` has begun before Django was loaded. The programs are forks of this process: it loads all of them once, so they
share that memory and start at once. It keeps no thread and no connection, which forks would share.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import kombu.transport.redis  # noqa: F401 (loaded for the programs, like the modules above)
from django.conf import settings

from config import env, machine
from config.celery import app
from config.local.forked import ForkedProcess
from config.local.launch import PROGRAMS, CannotRun, Launch, address
from config.local.preparation import Preparation
from config.local.process_guard import PULSES, ProcessGuard
from config.local.readiness import Readiness
from config.local.stuck import StuckWatch
from config.local.supervise import Child, CrashLoop, Process, Supervisor
from webhooks.kit.encryption import decrypt, encrypt
from webhooks.kit.process.free_memory import return_free_memory, return_pages_of_files

DRAIN_WITHIN = 25.0  # seconds for workers to stop: an attempt may take 15, then its result is settled
STOP_WITHIN = 10.0  # seconds for other programs and servers to stop
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


def run(launch: Launch, check: Callable[[], None]) -> None:
    """Run the platform until SIGINT or SIGTERM. Raises CannotRun, and what `check` raises if the settings are wrong."""
    launch.await_servers()
    with Preparation(Path(settings.WAYPOST_DATA)) as preparation:
        check()
        preparation.permit()
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
    where, readiness = address(launch.host, launch.port), Readiness(_address_of_probes(launch))
    try:
        supervisor.print_line("up", _chosen_sizes())
        supervisor.start()
        while not supervisor.stopping:
            supervisor.check(readiness.seconds_to_next)
            launch.attach()
            if readiness.look():
                supervisor.print_line("up", _announcement(launch, where, login))
                return_pages_of_files()
            elif warning := readiness.warning():
                supervisor.print_line("up", warning)
    except CrashLoop as error:
        raise CannotRun(str(error)) from None
    finally:
        supervisor.stop()


def _address_of_probes(launch: Launch) -> str:
    """Return where the probes of this machine are served; empty: nowhere."""
    if settings.WAYPOST_METRICS_PORT:
        return address(settings.WAYPOST_METRICS_HOST, settings.WAYPOST_METRICS_PORT)
    return address(launch.host, launch.port) if launch.listener is not None else ""


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
