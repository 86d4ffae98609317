"""Begin `manage.py up` before Django is loaded, which takes a second: find obstacles, listen, start the servers.

First the process replaces itself by one with the environment of the programs, which are forks of it: what the memory
allocator, Prometheus and the settings read at their start, and room for the command line of each program.
"""

import argparse
import contextlib
import errno
import fcntl
import os
import shutil
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config import env
from config.local import embedded, lean_imports
from config.local.embedded.user_lock import take
from config.local.process_guard import FAMILY
from config.local.process_title import PADDING, TITLE_ROOM, set_title
from config.local.supervise import end_leftovers

LAST_PORT = 65_535
BACKLOG = 4096  # connections that wait to be accepted
# Free bytes of the disk. On a full disk a write to a mapped file, such as those of the metrics, kills the process.
MIN_FREE = 16 * 1024**2
MALLOC_ARENAS = "2"  # of the C library in each process; its default, eight for each core, wastes memory with threads
PROGRAMS = ("web", "deliver", "work")  # those that a machine may run
_SERVERS = {"DATABASE_URL": embedded.POSTGRES, "REDIS_URL": embedded.VALKEY}  # each for a variable that is not set


class CannotRun(Exception):
    """The platform cannot start or go on. The message is one line for the operator."""


@dataclass
class Launch:
    """Hold the address, the lock of the data directory, the listening socket, the programs, and the servers that start.

    Without the program `web` there is no socket.
    """

    host: str
    port: int
    data: Path
    lock: int
    listener: socket.socket | None
    family: str
    servers: list[embedded.Server]
    programs: tuple[str, ...] = PROGRAMS
    _threads: list[threading.Thread] = field(default_factory=list)
    _errors: list[embedded.EmbeddedError] = field(default_factory=list)

    def start_servers(self) -> None:
        """Start the embedded servers in the background, or again if a keeper was killed."""
        self._threads = [threading.Thread(target=self._attach, args=(server,)) for server in self.servers]
        for thread in self._threads:
            thread.start()

    def await_servers(self) -> None:
        """Return when the servers run. Raises CannotRun."""
        for thread in self._threads:
            thread.join()
        self._threads = []
        if self._errors:
            raise CannotRun(str(self._errors[0]))

    def attach(self) -> None:
        """Start the servers again whose keeper was killed. Raises CannotRun."""
        for server in self.servers:
            if not embedded.is_kept(server, self.data):
                self._attach(server)
        self.await_servers()

    def leave(self, within: float) -> None:
        """Wait until the servers have stopped, unless other processes use them."""
        for server in self.servers:
            embedded.leave(server, self.data, wait=within)

    def _attach(self, server: embedded.Server) -> None:
        try:
            embedded.attach(server, self.data)
        except embedded.EmbeddedError as error:
            self._errors.append(error)


_begun: list[Launch] = []


def current() -> Launch:
    """Return what `begin` has begun. Raises CannotRun if this process is not `manage.py up`."""
    if not _begun:
        raise CannotRun("start it as: manage.py up")
    return _begun[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `up`."""
    parser.add_argument("--port", type=int, default=8000, help="default: 8000")
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine only")
    parser.add_argument(
        "--programs", default=",".join(PROGRAMS), help=f"those to run on this machine; default: {','.join(PROGRAMS)}"
    )


def parser() -> argparse.ArgumentParser:
    """Return a parser of the arguments of `up`, those that each of Django's commands has among them, but for help."""
    found = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    add_arguments(found)
    found.add_argument("-v", "--verbosity", type=int, choices=range(4))
    for name in ("--settings", "--pythonpath"):
        found.add_argument(name)
    for name in ("--traceback", "--no-color", "--force-color"):
        found.add_argument(name, action="store_true")
    return found


def begin(words: Sequence[str]) -> None:
    """Begin `manage.py up`, if these are its arguments. Raises CannotRun."""
    if words[:1] != ["up"] or {"-h", "--help", "--version"} & set(words):
        return
    try:
        options, unknown = parser().parse_known_args(words[1:])
    except argparse.ArgumentError as error:
        raise CannotRun(f"{error}; see: manage.py up --help") from None
    if unknown:
        raise CannotRun(f"unrecognized arguments: {' '.join(unknown)}; see: manage.py up --help")
    if not 1 <= options.port <= LAST_PORT:
        raise CannotRun(f"--port must be from 1 to {LAST_PORT}")
    programs = tuple(name for name in PROGRAMS if name in options.programs.split(","))
    if not programs or set(options.programs.split(",")) - set(PROGRAMS):
        raise CannotRun(f"--programs must list one or more of: {', '.join(PROGRAMS)}")
    data = Path(env.text("WAYPOST_DATA", str(embedded.DEFAULT_DATA))).absolute()
    family = str(data / "up")
    if not os.environ.get(FAMILY, "").startswith(f"{family}{PADDING}"):
        _replace_process(family, address(options.host, options.port))
    set_title(["python", *sys.argv])
    lean_imports.load("structlog")
    _begun.append(_launch(options.host, options.port, data, family, programs))
    lean_imports.load_all()


def _replace_process(family: str, public_url: str) -> None:
    """Run this command again, with the environment of the programs."""
    ours = {"PYTHONUNBUFFERED": "1", "CELERY_SKIP_CHECKS": "1", "MALLOC_ARENA_MAX": MALLOC_ARENAS}
    if sys.stdout.isatty():
        ours["FORCE_COLOR"] = "1"
    fixed = {FAMILY: f"{family}{PADDING}", "PROMETHEUS_MULTIPROC_DIR": str(Path(family) / "counters")}
    if not env.read("PUBLIC_URL"):
        ours["PUBLIC_URL"] = public_url
    os.environ.update({**ours, **os.environ, **fixed})
    os.execv(sys.executable, [sys.executable, "-X", TITLE_ROOM, *sys.orig_argv[1:]])  # noqa: S606 (our own command)


def address(host: str, port: int) -> str:
    """Return the platform's URL on this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104 (a name, not a bind)
    return f"http://{name}:{port}"


def _launch(host: str, port: int, data: Path, family: str, programs: tuple[str, ...]) -> Launch:
    lock = _lock(data)
    end_leftovers(family)
    listener = _listen(host, port) if "web" in programs else None
    if shutil.disk_usage(data).free < MIN_FREE:
        raise CannotRun(f"the disk of the data directory {data} is full; free some space, or set WAYPOST_DATA")
    counters = data / "up" / "counters"  # of this run only
    shutil.rmtree(counters, ignore_errors=True)
    env.create_directory(counters)
    servers = [server for variable, server in _SERVERS.items() if not env.text(variable, "")]
    launch = Launch(host, port, data, lock, listener, family, servers, programs)
    launch.start_servers()
    return launch


def _lock(data: Path) -> int:
    """Lock the data directory for this platform, and return the descriptor that holds the lock."""
    try:
        return take(env.create_directory(data / "up") / "lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotRun(f"another platform runs on the data directory {data}; stop it, or set WAYPOST_DATA") from None
    except OSError as error:
        raise CannotRun(f"cannot write to the data directory {data}: {error.strerror}") from None


def _listen(host: str, port: int) -> socket.socket:
    """Return the socket that the web processes accept from."""
    with contextlib.ExitStack() as on_error:
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = on_error.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(BACKLOG)
        except OSError as error:
            raise CannotRun(f"cannot listen on {host} port {port}: {error.strerror}; {_advice(error)}") from None
        on_error.pop_all()
        return listener


def _advice(error: OSError) -> str:
    """Return what to do about an address that cannot be listened on."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "name an address of this machine with --host"
    choose = 'choose another port with --port (make up ARGS="--port 9000")'
    return f"{choose}, one from 1024 on" if error.errno == errno.EACCES else choose
