"""Run the platform under test: `manage.py up` as a child, with servers, ports and files of its own.

Events go in over HTTP, and what happened to them is read from the database. Nothing of the platform is imported but
the paths of its embedded servers.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.wire.programs import Start
from config.local import embedded
from config.local.embedded.place import Place

ROOT = Path(__file__).resolve().parent.parent
START_WITHIN = 300.0  # seconds
TABLES = """delivery_attempt, delivery_deadletter, delivery_delivery, delivery_event, delivery_lane, webhooks_receipt,
            subscriptions_subscription, subscriptions_signingsecret, subscriptions_httpsettings,
            subscriptions_endpoint"""


class Deployment:
    """The running platform, its database (`sql`), and a tenant (`api_key`)."""

    def __init__(self, directory: Path, start: Start) -> None:
        """Start the platform and create a tenant. Raises RuntimeError if it does not become ready."""
        directory.chmod(0o711)  # the embedded servers run as another user, if we are root
        self.data = directory / "data"
        self.port = free_port()
        external = ("DATABASE_URL", "REDIS_URL", "WAYPOST_ENV")
        self._environment = {name: value for name, value in os.environ.items() if name not in external} | {
            "WAYPOST_DATA": str(self.data),
            "WAYPOST_ALLOW_HTTP": "1",
            "WAYPOST_ALLOW_NETWORKS": "127.0.0.0/8",
            "WAYPOST_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        log_path = directory / "up.log"
        command = [sys.executable, "manage.py", "up", "--port", str(self.port)]
        with log_path.open("w") as log:
            self.process = start(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            await_ready(self.port, "/readyz", self.process)
        except RuntimeError:
            lines = log_path.read_text(errors="replace").splitlines()
            raise RuntimeError(f"the platform does not start: {' / '.join(lines[-3:])}") from None
        self.connection = self.connect()
        self.api_key = self.create_tenant("bench")

    def create_tenant(self, name: str) -> str:
        """Return the API key of a new tenant."""
        command = [sys.executable, "manage.py", "tenant", name]
        made = subprocess.run(command, cwd=ROOT, env=self._environment, check=True, capture_output=True)
        return str(json.loads(made.stdout)["api_key"])

    def empty(self) -> None:
        """Delete what earlier rows left, so that each row is measured on the same tables."""
        self.sql(f"TRUNCATE {TABLES} CASCADE")
        self.sql("UPDATE subscriptions_tenant SET routes_version = nextval('subscriptions_routes_version')")
        self.sql("CHECKPOINT")

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Execute a statement and return its rows."""
        cursor = self.connection.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def number(self, statement: str) -> int:
        """Execute a statement and return the one integer it gives."""
        return int(self.sql(statement)[0][0])

    def connect(self, database: str = "waypost") -> psycopg.Connection:
        """Return a new connection to a database of the embedded server."""
        return psycopg.connect(embedded.database_url(self.data), dbname=database, autocommit=True)

    def process_ids(self) -> dict[str, int]:
        """Return the roots of the process trees, by program."""
        homes = {server.name: Place(server.name, self.data).home for server in (embedded.POSTGRES, embedded.VALKEY)}
        return {"up": self.process.pid} | {name: int((home / "pid").read_text()) for name, home in homes.items()}


def await_ready(port: int, path: str, process: "subprocess.Popen[Any]") -> None:
    """Wait until a GET has a response below 500. Raises RuntimeError if the process ends or takes too long."""
    until = time.monotonic() + START_WITHIN
    while process.poll() is None and time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", path)
            if connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not start")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
