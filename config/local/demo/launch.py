"""Start the platform for the demo: `manage.py up` on a free port, with servers and files of its own.

The caller's settings are not passed on (DATABASE_URL, WAYPOST_* and so on). Everything is in a temporary directory,
which is removed at the end, however the demo ends.
"""

import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen
from typing import Any

import requests
from django.conf import settings

from config.local.process_guard import ProcessGuard

CHECK_EVERY = 0.1  # seconds
DISCARD_WITHIN = 60  # seconds
_SETTINGS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PUBLIC_URL", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS")
_OURS = ("WAYPOST_", "DJANGO_SETTINGS_MODULE", *_SETTINGS)


class CannotLaunch(Exception):
    """The platform does not start, or has ended; the message is one line."""


class Platform:
    """A platform that runs, or is starting."""

    def __init__(self, data: Path, address: str, process: "Popen[Any]", guard: ProcessGuard) -> None:
        self.data, self.address, self.log = data, address, data / "demo.log"
        self._process, self._guard = process, guard

    def wait_until_ready(self) -> None:
        """Return when the platform responds. Raises CannotLaunch."""
        with requests.Session() as session:
            session.trust_env = False
            while True:
                self.check()
                with suppress(requests.RequestException):
                    if session.get(f"{self.address}/readyz", timeout=1.0).ok:
                        return
                time.sleep(CHECK_EVERY)

    def check(self) -> None:
        """Raise CannotLaunch if the platform has ended."""
        if self._process.poll() is not None:
            lines = self.log.read_text(errors="replace").strip().splitlines() or [f"status {self._process.returncode}"]
            raise CannotLaunch(f"the platform ended: {lines[-1].removeprefix('CommandError: ')}")

    def create_key(self, name: str) -> str:
        """Return a new platform key."""
        return self._create("platform_key", name)

    def create_tenant(self, name: str) -> str:
        """Return the API key of a new tenant."""
        return self._create("tenant", name)

    def _create(self, command: str, name: str) -> str:
        """Return the API key that a command prints. Raises CannotLaunch."""
        arguments = [*COMMAND, command, name]
        done = self._guard.run(arguments, env=environment(self.data), cwd=settings.BASE_DIR, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise CannotLaunch(f"manage.py {command}: {reason}")
        return str(json.loads(done.stdout)["api_key"])

    def admin_password(self) -> str:
        """Return the password of the user `admin`."""
        return (self.data / "secrets" / "admin_password").read_text().strip()

    def stored_bytes(self) -> int:
        """Return the size of all claim checks in storage."""
        return sum(path.stat().st_size for path in (self.data / "claims").rglob("*") if path.is_file())


COMMAND = [sys.executable, "-m", "config.command_line"]


@contextmanager
def launched() -> Iterator[Platform]:
    """Start a platform, and end it with this block; SIGTERM ends the block as Ctrl-C does."""
    data = Path(tempfile.mkdtemp(prefix="waypost-demo-"))
    data.chmod(0o711)  # the user of the embedded servers passes through, if we are root
    discard = [sys.executable, "-m", "config.local.embedded", "discard", str(data), str(DISCARD_WITHIN)]
    guard = ProcessGuard(f"demo {data}", discard)
    before = {one: signal.signal(one, signal.default_int_handler) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        port = _free_port()
        command = [*COMMAND, "up", "--port", str(port)]
        with (data / "demo.log").open("wb") as log:
            process = guard.start(
                command, env=environment(data), cwd=settings.BASE_DIR, stdin=DEVNULL, stdout=log, stderr=STDOUT
            )
        yield Platform(data, f"http://127.0.0.1:{port}", process, guard)
    finally:
        guard.close()
        for one, handler in before.items():
            signal.signal(one, handler)


def environment(data: Path) -> dict[str, str]:
    """Return the environment of the platform. Endpoints on this machine, without TLS, are allowed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return inherited | {
        "WAYPOST_DATA": str(data),
        "WAYPOST_STORAGE_URL": (data / "claims").as_uri(),
        "WAYPOST_ALLOW_HTTP": "1",
        "WAYPOST_ALLOW_NETWORKS": "127.0.0.0/8,::1/128",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
