"""The whole platform as processes of its own, on a data directory and a port of its own, and who is who among them."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
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
PARTS = {"beat": "beat", "deliver": "deliver@%h", "work": "work@%h", "web": "granian"}  # a word of each one's command
# Discard stops the servers, so that the file system can be unmounted; the second one removes the rest.
UNMOUNT = ("sh", "-c", 'mounted="$0"; "$@"; umount --lazy "$mounted"; "$@"')
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class House:
    """Use as a context manager: leaving it ends the platform and removes its data, as the end of this process does."""

    def __init__(self, data: Path, environment: Mapping[str, str], mounted: Path | None = None) -> None:
        discard = [sys.executable, "-m", "config.local.embedded", "discard", str(data), "180"]
        self.guard = ProcessGuard(f"faults {data}", discard if mounted is None else [*UNMOUNT, str(mounted), *discard])
        self.data = data
        self.port = free_port()
        self.clock = data / "clock"  # where a faked clock is set
        self.environment = environment
        self.api_key = ""
        self.log = data / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.up()
        self.api_key = self.tenant("faults")
        return self

    def __exit__(self, *error: object) -> None:
        self.down()
        for process in self.everybody():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.guard.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # The platform.

    def up(self) -> None:
        """Returns when it is ready."""
        with self.log.open("ab") as log:
            self.process = self.guard.start(
                [sys.executable, "manage.py", "up", "--port", str(self.port)],
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._is_ready, "the platform")

    def down(self) -> None:
        """As an operator takes it down."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def reap(self) -> None:
        """The platform was killed."""
        assert self.process is not None
        self.process.wait()

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.last_words()
        try:
            return bool(DIRECT.open(f"{self.address}/readyz", timeout=2).status == 200)
        except OSError:
            return False

    def last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        ours = {
            "WAYPOST_DATA": str(self.data),
            "WAYPOST_ALLOW_HTTP": "true",
            "WAYPOST_ALLOW_NETWORKS": "127.0.0.0/8",
        }
        return {**kept, **ours, **self.environment}

    def _manage(self, *words: str) -> bytes:
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self._environment(),
            check=True,
            capture_output=True,
        ).stdout

    def tenant(self, name: str) -> str:
        """A new tenant's API key."""
        return str(json.loads(self._manage("tenant", name))["api_key"])

    def post(self, path: str, *, key: str = "", **fields: Any) -> dict[str, Any]:
        """Create something through the API, with the house's own key unless another is given."""
        headers = {"authorization": f"Bearer {key or self.api_key}", "content-type": "application/json"}
        url = f"{self.address}/api/v1/{path}/"
        answer = DIRECT.open(urllib.request.Request(url, orjson.dumps(fields), headers), timeout=30)
        return dict(orjson.loads(answer.read()))

    # Who is who.

    def everybody(self) -> list[psutil.Process]:
        """All processes of this platform that run, the embedded servers and their keepers too."""
        return [one for one in psutil.process_iter() if self._is_ours(one)] + self.servers()

    def strays(self) -> list[psutil.Process]:
        """Those that nobody looks after any more."""
        kept = {process.pid for process in [*self.platform(), *self.servers()]}
        return [one for one in self.everybody() if one.pid not in kept and not ends_by_itself(one)]

    def platform(self) -> list[psutil.Process]:
        """`up` and all that it has started: the embedded servers and their keepers stand by themselves."""
        assert self.process is not None
        up = psutil.Process(self.process.pid)
        return [up, *up.children(recursive=True)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return bool(process.environ().get("WAYPOST_DATA") == str(self.data))
        except psutil.Error:
            return False

    def part(self, name: str) -> list[psutil.Process]:
        """The processes of beat, deliver, work or web, their parent first; none while it is being started again."""
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children():
            if PARTS[name] in command_of(child).split():
                return [child, *child.children(recursive=True)]
        return []

    def servers(self) -> list[psutil.Process]:
        """The postmaster, its backends, and Valkey: as far as they run."""
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
        """The process that starts this server again when it has died."""
        words = ["config.local.embedded.keeper", which.name, str(self.data)]
        return next(one for one in psutil.process_iter() if self._is_ours(one) and one.cmdline()[-3:] == words)

    # Its servers, asked directly.

    def sql(self, question: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(embedded.database_url(self.data), autocommit=True) as connection:
            cursor = connection.execute(question.encode())
            return cursor.fetchall() if cursor.description else []

    def valkey(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(VALKEY.socket(Place(VALKEY.name, self.data))), socket_timeout=2)


def ends_by_itself(process: psutil.Process) -> bool:
    """Whether this is a keeper or a process guard, or has ended already."""
    command = command_of(process)
    return not command or not {"config.local.embedded.keeper", "config.local.process_guard"}.isdisjoint(command.split())


def command_of(process: psutil.Process) -> str:
    """What it was started with; empty if it has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
