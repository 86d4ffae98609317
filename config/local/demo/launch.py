"""The platform for the demo: `manage.py up` as a child, on a free port, on servers and in a directory of its own.

Nothing of the developer's is used or touched: not the data directory, not DATABASE_URL or REDIS_URL, no setting of
the environment but WAYPOST_DATA. Without that, everything lies in a temporary directory that is removed at the end.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from config.local.demo.stranger import answers
from config.local.process_guard import ProcessGuard

__all__ = ["CannotLaunch", "Platform", "launched"]

LOOK_EVERY = 0.1  # seconds
SETTINGS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PUBLIC_URL", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS")
_OURS = ("WAYPOST_", "DJANGO_SETTINGS_MODULE", *SETTINGS)


class CannotLaunch(Exception):
    """The platform does not come up, or did not stay; the message is one line."""


@dataclass
class Platform:
    """A platform that runs, or is about to. ``kept``: its data directory was given, and stays."""

    address: str
    data: Path
    kept: bool
    environment: dict[str, str]
    process: "subprocess.Popen[bytes]"
    guard: ProcessGuard

    @property
    def log(self) -> Path:
        return self.data / "demo.log"

    @property
    def login(self) -> str:
        """User and password of the admin."""
        password = self.data / "secrets" / "admin_password"
        return f"admin / {password.read_text().strip()}" if password.exists() else "your own login"

    def wait_until_ready(self) -> None:
        """Raises CannotLaunch if it ends instead."""
        while not answers(f"{self.address}/readyz"):
            self.check()
            time.sleep(LOOK_EVERY)

    def check(self) -> None:
        """Raises CannotLaunch if it does not run any more."""
        if self.process.poll() is not None:
            lines = self.log.read_text(errors="replace").strip().splitlines()
            last = lines[-1] if lines else f"status {self.process.returncode}"
            said = last.removeprefix("CommandError: ")
            raise CannotLaunch(said if said != last else f"the platform ended: {last}")

    def tenant(self, name: str) -> dict[str, str]:
        """A new tenant, as an operator makes one at the terminal: its id and its key."""
        done = self._run(["manage.py", "tenant", name])
        if done.returncode:
            raise CannotLaunch(f"manage.py tenant: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
        made: dict[str, str] = json.loads(done.stdout)
        return made

    def claimed(self) -> int:
        """Bytes of large bodies in storage: what is really there."""
        return sum(path.stat().st_size for path in (self.data / "claims").rglob("*") if path.is_file())

    def stop(self) -> None:
        """End it as Ctrl-C would, and wait until it is gone."""
        self.process.terminate()
        self.process.wait()
        self.guard.close()

    def _run(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        whole = [sys.executable, *command]
        return subprocess.run(  # noqa: S603 (our own programs, no shell)
            whole, env=self.environment, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False
        )


@contextmanager
def launched(port: int | None) -> Iterator[Platform]:
    """A platform on its way up. However we are told to end (Ctrl-C, SIGTERM), it is ended before us."""
    given = os.environ.get("WAYPOST_DATA", "").strip()
    data = Path(given).absolute() if given else _private_directory()
    data.mkdir(mode=0o711, parents=True, exist_ok=True)
    port = _free_port() if port is None else port
    environment = _environment(data)
    before = {one: signal.signal(one, signal.default_int_handler) for one in (signal.SIGINT, signal.SIGTERM)}
    discard = [] if given else [sys.executable, "-m", "config.local.embedded", "discard", str(data), "60"]
    guard = ProcessGuard(f"demo {data}", discard)
    with (data / "demo.log").open("wb") as log:
        process = guard.start(
            [sys.executable, "manage.py", "up", "--port", str(port)],
            env=environment,
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    platform = Platform(f"http://127.0.0.1:{port}", data, bool(given), environment, process, guard)
    try:
        yield platform
    finally:
        platform.stop()
        for one, handler in before.items():
            signal.signal(one, handler)


def _environment(data: Path) -> dict[str, str]:
    """Endpoints on this machine, without TLS, are allowed for this run only."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return inherited | {
        "WAYPOST_DATA": str(data),
        "WAYPOST_STORAGE_URL": (data / "claims").as_uri(),
        "WAYPOST_ALLOW_HTTP": "1",
        "WAYPOST_ALLOW_NETWORKS": "127.0.0.0/8,::1/128",
    }


def _private_directory() -> Path:
    """Others may pass through it and see nothing: where we are root, the database server is one of them."""
    data = Path(tempfile.mkdtemp(prefix="waypost-demo-"))
    data.chmod(0o711)
    return data


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: Any = probe.getsockname()[1]
        return int(port)
