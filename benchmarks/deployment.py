"""Run this product: `manage.py up` of a source tree as a child, with servers, ports and files of its own.

Nothing of the tree is imported: its settings tell where its database is, so that trees of other commits can be driven
as well.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import psycopg

from benchmarks.copies import ENDPOINTS
from benchmarks.system import STOP_WITHIN, System, await_ready, free_port
from benchmarks.wire.messages import publish_batch, publish_one
from benchmarks.wire.programs import Start
from webhooks.wire.ids import public

ROOT = Path(__file__).resolve().parent.parent
PAUSED_FOR = 1.5  # seconds until every drain has seen that the endpoints are paused
TABLES = [
    *("delivery_attempt", "delivery_deadletter", "delivery_delivery", "delivery_event", "delivery_lane"),
    *("webhooks_receipt", "subscriptions_subscription", "subscriptions_signingsecret", "subscriptions_secret"),
    *("subscriptions_httpsettings", "subscriptions_endpoint"),
]
UNCHANGED: Mapping[str, str] = MappingProxyType({})  # environment
FOUND = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname = ANY(%s)"
NEW_ROUTES = """UPDATE subscriptions_tenant SET routes_version = nextval('subscriptions_routes_version')"""
DATABASE = """import json; from django.conf import settings
print(json.dumps({key: settings.DATABASES["default"][key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}))"""


class Deployment(System):
    """The running product and a tenant (`api_key`)."""

    PENDING = """SELECT (SELECT count(*) FROM delivery_delivery WHERE state = 'pending')
     + (SELECT count(*) FROM delivery_delivery WHERE state = 'sending')"""  # each has an index of its own
    ATTEMPTS = "SELECT count(*) FROM delivery_attempt"
    EXTERNAL: ClassVar[tuple[str, ...]] = ("DATABASE_URL", "REDIS_URL", "WAYPOST_ENV")
    FIXED: ClassVar[tuple[str, ...]] = (*EXTERNAL, "WAYPOST_DATA")  # each platform has files and servers of its own

    def __init__(
        self,
        directory: Path,
        start: Start,
        root: Path = ROOT,
        python: str = sys.executable,
        environment: Mapping[str, str] = UNCHANGED,
    ) -> None:
        """Start the platform of the tree `root` and create a tenant. Raises RuntimeError if it does not start.

        `environment`: variables of this platform only, none of `FIXED`.
        """
        directory.chmod(0o711)  # the embedded servers run as another user, if we are root
        self.data = directory / "data"
        self._directory, self._start, self._root, self._python = directory, start, root, python
        self._environment = {name: value for name, value in os.environ.items() if name not in self.EXTERNAL} | {
            "WAYPOST_DATA": str(self.data),
            "WAYPOST_ALLOW_HTTP": "1",
            "WAYPOST_ALLOW_NETWORKS": "127.0.0.0/8",
            "WAYPOST_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            **environment,
        }
        self.restart()
        self.api_key = self.create_tenant("bench")

    def restart(self) -> None:
        """Start the platform on its files. Raises RuntimeError with the last lines of its output."""
        self.port, log_path, began = free_port(), self._directory / "up.log", time.monotonic()
        command = [self._python, "manage.py", "up", "--port", str(self.port)]
        with log_path.open("w") as log:
            self.process = self._start(
                command,
                cwd=self._root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            await_ready(self.port, "/readyz", self.process)
        except RuntimeError:
            lines = log_path.read_text(errors="replace").splitlines()
            raise RuntimeError(f"the platform does not start: {' / '.join(lines[-3:])}") from None
        self.start_seconds = time.monotonic() - began
        self.connection = self.connect()

    def stop(self) -> None:
        """Stop the platform as an operator does; its servers stop with it."""
        self.connection.close()
        self.process.terminate()
        self.process.wait(STOP_WITHIN)

    def discard(self) -> None:
        """Stop the platform and remove its files, wherever the embedded servers keep theirs."""
        self.stop()
        self._run([sys.executable, "-m", "config.local.embedded", "discard", str(self.data)], ROOT)

    def create_tenant(self, name: str) -> str:
        """Return the API key of a new tenant."""
        return str(json.loads(self._run([self._python, "manage.py", "tenant", name], self._root))["api_key"])

    def connect(self) -> psycopg.Connection:
        """Return a new connection to the database."""
        found = json.loads(self._run([self._python, "-c", DATABASE], self._root))
        names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
        return psycopg.connect(autocommit=True, **{names[key]: value for key, value in found.items() if value})

    def empty(self) -> None:
        """Truncate the tables."""
        tables = ", ".join(name for (name,) in self.sql(FOUND, TABLES))
        self.sql(f"TRUNCATE {tables} CASCADE")
        self.sql(NEW_ROUTES)
        self.sql("CHECKPOINT")

    def create(self, path: str, content: dict[str, Any], api_key: str = "") -> Any:
        """Create a resource over REST. Raises RuntimeError if it is rejected."""
        return self.post(f"/api/v1/{path}", content, {"Authorization": f"Bearer {api_key or self.api_key}"})

    def create_endpoints(
        self, uids: list[str], urls: list[str], types: list[str], api_key: str = "", **fields: Any
    ) -> None:
        """Create one endpoint over REST and copy it, or all over REST where another commit has other tables."""
        self._create_endpoint(uids[0], urls[0], types[0], api_key, fields)
        try:
            self.sql(ENDPOINTS, uids[1:], urls[1:], types[1:], uids[0])
        except psycopg.ProgrammingError:  # a table or a column is not there
            for each in zip(uids[1:], urls[1:], types[1:], strict=True):
                self._create_endpoint(*each, api_key, fields)

    def _create_endpoint(self, uid: str, url: str, event_type: str, api_key: str, fields: dict[str, Any]) -> None:
        self.create("endpoints/", {"uid": uid, "url": url, **fields}, api_key)
        self.create("subscriptions/", {"endpoint": uid, "event_types": [event_type, "bench.all"]}, api_key)

    def publish_request(self, event_types: list[str], size: int, api_key: str = "") -> bytes:
        """Return a request with one structured CloudEvent, or with a batch."""
        key = api_key or self.api_key
        if len(event_types) == 1:
            return publish_one(key, event_types[0], size)
        return publish_batch(key, event_types, size)

    def suspend(self) -> None:
        """Pause all endpoints."""
        self.sql("UPDATE subscriptions_endpoint SET state = 'paused'")
        time.sleep(PAUSED_FOR)

    def resume(self) -> None:
        """Activate all endpoints."""
        self.sql("UPDATE subscriptions_endpoint SET state = 'active'")

    def create_source(self, secret: str, **fields: Any) -> str:
        """Create a source of Standard Webhooks, unless the fields say otherwise; return the path that senders use."""
        uid = f"bench-{time.time_ns()}"
        scheme = {"scheme": "standard"} if "scheme" not in fields else {}
        self.create("sources/", {"uid": uid, "secret": secret, **scheme, **fields})
        [(key,)] = self.sql("SELECT id FROM webhooks_source WHERE uid = %s", uid)
        return f"/in/{public('src', key)}/"

    def received(self) -> int:
        """Return the number of receipts."""
        return self.number("SELECT count(*) FROM webhooks_receipt")

    def _run(self, command: list[str], root: Path) -> str:
        done = subprocess.run(command, cwd=root, env=self._environment, check=True, capture_output=True, text=True)
        return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
