"""Run the programs of the platform as processes, on the servers of the suite and the test's database.

The commands are those of `config.local.up`, so journeys run the programs that `manage.py up` runs; each is ended by
its process id.
"""

import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
from django.conf import settings
from django.db import connection

from config.local import embedded
from config.local.up import programs
from tests.browser import BROWSER
from tests.database_url import database_url
from tests.journeys.up import Platform
from tests.ports import free_port
from tests.processes import start
from tests.receiver import Receiver
from tests.waiting import wait_until

collect_ignore = [] if BROWSER else ["test_portal.py"]
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Program:
    """One program and the processes it has started."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = start(
                command,
                cwd=settings.BASE_DIR,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def signal(self, what: signal.Signals) -> None:
        """Send a signal to all of its processes, the parent first, because it replaces children that die."""
        parent = psutil.Process(self.process.pid)
        processes = [parent]
        parent.send_signal(what)
        processes += parent.children(recursive=True)
        for process in processes[1:]:
            process.send_signal(what)

    def kill(self) -> None:
        """Kill the process group at once, as a power loss does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def terminate(self) -> None:
        """Ask the program to stop, as an operator does."""
        if self.process.poll() is None:
            self.process.terminate()

    def wait(self) -> None:
        """Wait for the program to end, and kill it after 15 seconds."""
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()


class Workers:
    """The programs of one journey, by their names in `manage.py up`: deliver, work, web.

    `beat` is the schedule in a process of its own, for journeys without `work`, whose parent runs it otherwise.
    """

    def __init__(self, logs: Path) -> None:
        self.address = f"http://127.0.0.1:{free_port()}"
        self._logs = logs
        self._programs: list[Program] = []

    def start(self, *names: str) -> list[Program]:
        """Start programs, of `deliver` and `work` any number; return at once."""
        host, port = self.address.removeprefix("http://").split(":")
        known = {child.name: child.command for child in programs(host, int(port))}
        known["beat"] = [sys.executable, "-m", "config.worker", "beat"]
        started = [Program(known[name], self._environment(), self._logs / f"{name}.log") for name in names]
        self._programs += started
        return started

    def start_delivery_workers(self, count: int) -> list[Program]:
        """Start this many delivery workers, and return when each runs a drain. Needs a schedule."""
        before = drains()
        started = self.start(*["deliver"] * count)
        wait_until(lambda: drains() >= before + count, f"{count} more drains")
        return started

    def stop(self) -> None:
        for program in self._programs:
            program.terminate()
        for program in self._programs:
            program.wait()

    def post(self, path: str, key: str, body: Any) -> Any:
        """Create a resource over the REST API, once the web process is ready."""
        wait_until(self._is_ready, "the web")
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        request = urllib.request.Request(f"{self.address}/api/v1/{path}", orjson.dumps(body), headers)
        with DIRECT.open(request) as response:
            return orjson.loads(response.read())

    def _is_ready(self) -> bool:
        try:
            with DIRECT.open(f"{self.address}/readyz") as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        ours = {
            "DJANGO_SETTINGS_MODULE": "tests.journeys.settings",
            "DATABASE_URL": database_url(),
            "PUBLIC_URL": self.address,
            "WAYPOST_DATA": str(settings.WAYPOST_DATA),
            "WAYPOST_ALLOW_HTTP": "1",
            "WAYPOST_ALLOW_NETWORKS": "127.0.0.0/8",
        }
        return {**os.environ, **ours}


def drains() -> int:
    """Count the drains that listen for notifications."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'"
        )
        return int(cursor.fetchone()[0])


@pytest.fixture
def workers(transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[Workers]:
    """Prepare workers without starting any; each has one process, and a journey may start several."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    settings.WAYPOST_DELIVERY_WORKERS = settings.WAYPOST_DEFAULT_WORKERS = 1
    if settings.WAYPOST_EMBEDDED_BROKER:
        embedded.attach(embedded.VALKEY, Path(settings.WAYPOST_DATA))
    workers = Workers(tmp_path)
    try:
        yield workers
    finally:
        workers.stop()


@pytest.fixture
def mark_table(transactional_db: None) -> Iterator[None]:
    """Create the table that the handler ``mark`` writes to (tests/journeys/handlers.py)."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE journey_marks (message_id text NOT NULL)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE journey_marks")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as it:
        yield it


@pytest.fixture
def platform() -> Iterator[Platform]:
    with tempfile.TemporaryDirectory() as above:
        platform = Platform(Path(above) / "data", free_port())
        yield platform
        if platform.process and platform.process.poll() is None:
            platform.stop()
        if platform.process and platform.process.stdout:
            platform.process.stdout.close()
        platform.kill_all()
        embedded.discard(platform.data, wait=60)
