"""The platform under test: ``manage.py up`` as a child, on servers, ports and files of its own, seen from outside.

Nothing of the platform is imported but the paths of its embedded servers: events go in over HTTP, and what became
of them is asked of the database.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from benchmarks.instruments import Start
from config.local import embedded
from config.local.embedded.place import Place
from config.local.process_guard import end

__all__ = ["ROOT", "Stand", "free_port"]

ROOT = Path(__file__).resolve().parent.parent
START_WITHIN = 300.0  # seconds
STOP_WITHIN = 60.0
LARGE = "delivery_attempt, delivery_deadletter, delivery_delivery, delivery_event, webhooks_receipt"
ENDPOINTS = "subscriptions_subscription, subscriptions_secret, delivery_lane, subscriptions_endpoint"


class Stand:
    """``sql`` asks the database, ``api`` the platform (as an operator's key may). `start` is a process guard's."""

    def __init__(self, start: Start, directory: Path) -> None:
        self._start_program = start
        self.directory = directory
        self.directory.chmod(0o711)  # root runs the embedded servers as somebody else, who has to get through
        self.data = directory / "data"
        self.port = free_port()
        self._key = ""
        self.connection: psycopg.Connection
        self._log = (directory / "up.log").open("a")
        self._start()
        self._key = self._own_key = self._new_tenant("bench")

    def recover(self) -> None:
        """After a row that failed, whose transactions may be open still, or who took the platform along.

        Raises RuntimeError if the platform does not start again.
        """
        self._key = self._own_key
        self.connection.close()
        if self.process.poll() is None and self._is_ready():
            self.connection = self.another_session()
            return
        if self.process.poll() is None:
            end([psutil.Process(self.process.pid)], STOP_WITHIN)
        self.process.wait()
        self._start()

    @property
    def environment(self) -> dict[str, str]:
        ours = {
            "WAYPOST_DATA": str(self.data),
            "WAYPOST_ALLOW_HTTP": "1",
            "WAYPOST_ALLOW_NETWORKS": "127.0.0.0/8",
            "WAYPOST_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        taken = ("DATABASE_URL", "REDIS_URL", "WAYPOST_ENV")
        return {**{name: value for name, value in os.environ.items() if name not in taken}, **ours}

    def _start(self) -> None:
        self.process = self._start_program(
            self.manage("up", "--port", str(self.port)),
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        until = time.monotonic() + START_WITHIN
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the platform does not start: {self.last_words()}")
            time.sleep(0.1)
        self.connection = self.another_session()

    def _new_tenant(self, name: str) -> str:
        made = subprocess.run(
            self.manage("tenant", name), cwd=ROOT, env=self.environment, check=True, capture_output=True
        )
        return str(json.loads(made.stdout)["api_key"])

    @contextmanager
    def tenant(self, name: str) -> Iterator[None]:
        """Meanwhile whatever is asked is asked as a new tenant of that name."""
        own, self._key = self._key, self._new_tenant(name)
        try:
            yield
        finally:
            self._key = own

    def manage(self, *arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *arguments]

    def last_words(self) -> str:
        lines = (self.directory / "up.log").read_text(errors="replace").splitlines()
        return " / ".join(lines[-3:]) or "it said nothing"

    def _is_ready(self) -> bool:
        try:
            return self._ask("GET", "/readyz")[0] == 200
        except OSError:
            return False

    # Asking

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def number(self, statement: str, *parameters: Any) -> int:
        return int(self.sql(statement, *parameters)[0][0])

    def api(self, method: str, path: str, content: Any = None) -> Any:
        """Raises RuntimeError with the problem if the answer is not 2xx."""
        status, answer = self._ask(method, f"/api/v1/{path}", content)
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} {path}: {status} {answer!r}")
        return json.loads(answer or b"null")

    def _ask(self, method: str, path: str, content: Any = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = None if content is None else json.dumps(content)
        connection.request(method, path, body, {"Content-Type": "application/json", **self.credentials})
        answer = connection.getresponse()
        found = (answer.status, answer.read())
        connection.close()
        return found

    @property
    def credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def begin_anew(self) -> None:
        """Forget what earlier rows left, so that each is measured on the same tables."""
        self.sql(f"TRUNCATE {LARGE}, {ENDPOINTS} CASCADE")
        self.sql("UPDATE subscriptions_tenant SET routes_version = nextval('subscriptions_routes_version')")
        self.sql("CHECKPOINT")

    def another_session(self, database: str = "waypost") -> psycopg.Connection:
        return psycopg.connect(embedded.database_url(self.data), dbname=database, autocommit=True)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.data).free

    # Its processes

    def server_pids(self) -> dict[str, int]:
        """The embedded servers, which are nobody's children."""
        homes = {server.name: Place(server.name, self.data).home for server in (embedded.POSTGRES, embedded.VALKEY)}
        return {name: int((home / "pid").read_text()) for name, home in homes.items()}

    @property
    def server_log(self) -> Path:
        return Place(embedded.POSTGRES.name, self.data).home / "log"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
