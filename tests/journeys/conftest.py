"""The real programs of the platform as processes of their own, on the servers of the suite and the test's database.

A program is taken from `config.local.up`, so that what runs here is what runs there; each is ended by its pid.
"""

import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import psutil
import pytest
from django.conf import settings
from django.db import connection

from config.local import embedded
from config.local.up import programs
from tests.ports import free_port
from tests.processes import start
from tests.receiver import Receiver
from tests.waiting import wait_until

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Program:
    """One program and the processes it has started."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as said:
            self.process = start(
                command,
                cwd=settings.BASE_DIR,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def signal(self, what: signal.Signals) -> None:
        """To all of its processes: the parent first, who would replace a child that dies."""
        parent = psutil.Process(self.process.pid)
        everybody = [parent]
        parent.send_signal(what)
        everybody += parent.children(recursive=True)
        for process in everybody[1:]:
            process.send_signal(what)

    def kill(self) -> None:
        """As a machine dies: nobody gets to say a word."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ask_to_stop(self) -> None:
        """As an operator does."""
        if self.process.poll() is None:
            self.process.terminate()

    def wait(self) -> None:
        """What does not end by then is killed: the journey is over, nothing is lost."""
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()


class Crew:
    """The programs of one journey, by the names they have in `manage.py up`: beat, deliver, work, web."""

    def __init__(self, logs: Path) -> None:
        self.address = f"http://127.0.0.1:{free_port()}"
        self._logs = logs
        self._programs: list[Program] = []

    def start(self, *names: str) -> list[Program]:
        """Start these; of `deliver` and `work` there may be several. Returns at once: what is owed is found."""
        host, port = self.address.removeprefix("http://").split(":")
        known = {child.name: child.command for child in programs(host, int(port))}
        started = [Program(known[name], self._environment(), self._logs / f"{name}.log") for name in names]
        self._programs += started
        return started

    def start_deliverers(self, count: int) -> list[Program]:
        """So many workers, each with one process that drains already when this returns. Needs beat."""
        before = drains()
        started = self.start(*["deliver"] * count)
        wait_until(lambda: drains() >= before + count, f"{count} more drains")
        return started

    def stop(self) -> None:
        for program in self._programs:
            program.ask_to_stop()
        for program in self._programs:
            program.wait()

    def post(self, path: str, key: str, body: Any) -> Any:
        """Create something over HTTP; waits until the web answers at all."""
        wait_until(self._is_ready, "the web")
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        request = urllib.request.Request(f"{self.address}/api/v1/{path}", orjson.dumps(body), headers)
        with DIRECT.open(request) as answer:
            return orjson.loads(answer.read())

    def _is_ready(self) -> bool:
        try:
            with DIRECT.open(f"{self.address}/readyz") as answer:
                return bool(answer.status == 200)
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


def database_url() -> str:
    """The database of the test, as another process is told of it."""
    known = connection.settings_dict
    login = quote(known["USER"], safe="")
    if known["PASSWORD"]:
        login += ":" + quote(known["PASSWORD"], safe="")
    options = {"host": known["HOST"], **({"port": known["PORT"]} if known["PORT"] else {}), **known["OPTIONS"]}
    return f"postgresql://{login}@/{known['NAME']}?{urlencode(options)}"


def drains() -> int:
    """How many drains listen for the bell."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'"
        )
        return int(cursor.fetchone()[0])


@pytest.fixture
def crew(transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[Crew]:
    """Nobody works yet. One process in each worker: a journey that needs more starts more workers."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    settings.WAYPOST_DELIVERY_WORKERS = settings.WAYPOST_DEFAULT_WORKERS = 1
    if settings.WAYPOST_EMBEDDED_BROKER:
        embedded.attach(embedded.VALKEY, Path(settings.WAYPOST_DATA))
    crew = Crew(tmp_path)
    try:
        yield crew
    finally:
        crew.stop()


@pytest.fixture
def marks(transactional_db: None) -> Iterator[None]:
    """The table of the handler ``mark`` (tests/journeys/handling.py)."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE journey_marks (message_id text NOT NULL)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE journey_marks")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as it:
        yield it
