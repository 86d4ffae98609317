"""Run the whole platform on its own data directory and port, and identify its processes."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import orjson
import psutil
import psycopg
import redis

from config.local import embedded
from config.local.embedded import POSTGRES, VALKEY
from config.local.embedded.place import Place
from config.local.process_guard import ProcessGuard
from tests.ports import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {
    "deliver": r"deliver\d*@%h",
    "work": r"work@%h",
    "web": r"config\.web",
}  # words of commands
# Discard stops the servers, so that the file system can be unmounted; the second one removes the rest.
UNMOUNT = ("sh", "-c", 'mounted="$0"; "$@"; umount --lazy "$mounted"; "$@"')
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Platform:
    """Use as a context manager: leaving it, or the end of this process, stops the platform and removes its data."""

    def __init__(
        self,
        data: Path,
        environment: Mapping[str, str],
        mounted: Path | None = None,
        *,
        prefix: Sequence[str] = (),
        root: Path = ROOT,
    ) -> None:
        """Prepare a platform. ``prefix``: words before its command, such as ``prlimit --nofile=1024``.

        ``root``: directory of the checkout that it runs.
        """
        discard = [sys.executable, "-m", "config.local.embedded", "discard", str(data), "180"]
        self.guard = ProcessGuard(f"faults {data}", discard if mounted is None else [*UNMOUNT, str(mounted), *discard])
        self.data = data
        self.port = free_port()
        self.clock = data / "clock"  # file with the offset of a faked clock
        self.environment = environment
        self.prefix = prefix
        self.root = root
        self.api_key = ""
        self.log = data / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.up()
        self.api_key = self.tenant("faults")
        return self

    def __exit__(self, *error: object) -> None:
        self.down()
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.guard.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # The platform.

    def up(self) -> None:
        """Start the platform and return when it is ready."""
        with self.log.open("ab") as log:
            self.process = self.guard.start(
                [*self.prefix, sys.executable, "manage.py", "up", "--port", str(self.port)],
                cwd=self.root,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._is_ready, "the platform")

    def down(self) -> None:
        """Stop the platform, as an operator does."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def wait_killed(self) -> None:
        """Wait for the killed platform to end."""
        assert self.process is not None
        self.process.wait()

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log_tail()
        try:
            return bool(DIRECT.open(f"{self.address}/readyz", timeout=2).status == 200)
        except OSError:
            return False

    def log_tail(self) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        ours = {
            "WAYPOST_DATA": str(self.data),
            "WAYPOST_ALLOW_HTTP": "true",
            "WAYPOST_ALLOW_NETWORKS": "127.0.0.0/8",
            "WAYPOST_DELIVERY_WORKERS": "2",
        }
        return {**kept, **ours, **self.environment}

    def manage(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
        """Run a command of the platform to its end."""
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=self.root,
            env={**self._environment(), **environment},
            check=False,
            capture_output=True,
        )

    def _manage(self, *words: str) -> bytes:
        done = self.manage(*words)
        done.check_returncode()
        return done.stdout

    def tenant(self, name: str) -> str:
        """Create a tenant and return its API key."""
        return str(json.loads(self._manage("tenant", name))["api_key"])

    def platform_key(self) -> str:
        """Create a platform key."""
        return str(json.loads(self._manage("platform_key", "tests"))["api_key"])

    def post(self, path: str, *, key: str = "", tenant: str = "", **fields: Any) -> dict[str, Any]:
        """Create a resource over the REST API, with the platform's key unless another is given.

        ``tenant``: id of the tenant whose resource it is, for a platform key.
        """
        headers = {"authorization": f"Bearer {key or self.api_key}", "content-type": "application/json"}
        if tenant:
            headers["waypost-tenant"] = tenant
        url = f"{self.address}/api/v1/{path}/"
        response = DIRECT.open(urllib.request.Request(url, orjson.dumps(fields), headers), timeout=30)
        return dict(orjson.loads(response.read()))

    # Processes.

    def processes(self) -> list[psutil.Process]:
        """Return all running processes of this platform, with the embedded servers and their keepers."""
        return [one for one in psutil.process_iter() if self._is_ours(one)] + self.servers()

    def orphans(self) -> list[psutil.Process]:
        """Return the processes that no other process supervises any more."""
        kept = {process.pid for process in [*self.up_processes(), *self.servers()]}
        return [one for one in self.processes() if one.pid not in kept and not ends_by_itself(one)]

    def up_processes(self) -> list[psutil.Process]:
        """Return `up` and the processes it started, without the embedded servers and their keepers."""
        assert self.process is not None
        up = psutil.Process(self.process.pid)
        return [up, *up.children(recursive=True)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return bool(process.environ().get("WAYPOST_DATA") == str(self.data))
        except psutil.Error:
            return False

    def program(self, name: str) -> list[psutil.Process]:
        """Return the processes of deliver, work or web, a parent before its own; none during a restart."""
        assert self.process is not None
        found = []
        for child in psutil.Process(self.process.pid).children():
            if any(re.fullmatch(PROGRAMS[name], word) for word in command_of(child).split()):
                found += [child, *child.children(recursive=True)]
        return found

    def servers(self) -> list[psutil.Process]:
        """Return the running ones of the postmaster, its backends, and Valkey."""
        found = []
        for which in (POSTGRES, VALKEY):
            try:
                process = self.server(which)
                found += [process, *process.children(recursive=True)]
            except (OSError, ValueError, psutil.NoSuchProcess):
                pass
        return found

    def server(self, which: embedded.Server) -> psutil.Process:
        return psutil.Process(int((Place(which.name, self.data).home / "pid").read_text()))

    def keeper(self, which: embedded.Server) -> psutil.Process:
        """Return the process that restarts this server when it dies."""
        words = ["config.local.embedded.keeper", which.name, str(self.data)]
        return next(one for one in psutil.process_iter() if self._is_ours(one) and one.cmdline()[-3:] == words)

    # Direct access to its servers.

    def sql(self, question: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(embedded.database_url(self.data), autocommit=True) as connection:
            cursor = connection.execute(question.encode())
            return cursor.fetchall() if cursor.description else []

    def valkey(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(VALKEY.socket(Place(VALKEY.name, self.data))), socket_timeout=2)


def ends_by_itself(process: psutil.Process) -> bool:
    """Return whether this is a keeper or a process guard, or has ended already."""
    command = command_of(process)
    return not command or not {"config.local.embedded.keeper", "config.local.process_guard"}.isdisjoint(command.split())


def command_of(process: psutil.Process) -> str:
    """Return the command line of a process; empty if it has ended."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
