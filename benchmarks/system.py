"""Define what a row needs of the system under test, which is driven from outside: HTTP in, and its database to check.

`Deployment` is this product, `UsualSystem` the usual way of doing the same.
"""

import http.client
import json
import shutil
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import psycopg

START_WITHIN = 300.0  # seconds
STOP_WITHIN = 60.0  # seconds
LOOK_EVERY = 0.02  # seconds between two looks whether it is ready


class System(ABC):
    """A running system: `data` is named by all of its processes, `port` by its web server.

    `start_seconds` is the time from the start of the first process until it was ready.
    """

    PENDING: ClassVar[str]  # statements that count deliveries to do, and attempts
    ATTEMPTS: ClassVar[str]
    is_usual: ClassVar[bool] = False
    data: Path
    port: int
    connection: psycopg.Connection
    start_seconds: float

    @abstractmethod
    def stop(self) -> None:
        """Stop all processes; the files stay."""

    @abstractmethod
    def restart(self) -> None:
        """Start the system on its files and wait until it is ready. Raises RuntimeError."""

    @abstractmethod
    def empty(self) -> None:
        """Delete what earlier rows left, so that each row is measured on the same tables."""

    @abstractmethod
    def create_endpoints(
        self, uids: list[str], urls: list[str], types: list[str], api_key: str = "", **fields: Any
    ) -> None:
        """Create endpoints, each with a subscription to its own type and to `bench.all`."""

    @abstractmethod
    def publish_request(self, event_types: list[str], size: int, api_key: str = "") -> bytes:
        """Return a request that publishes one event of each of these types, of about `size` bytes each."""

    @abstractmethod
    def suspend(self) -> None:
        """Let what is published wait."""

    @abstractmethod
    def resume(self) -> None:
        """Send what waits."""

    @abstractmethod
    def create_source(self, secret: str, **fields: Any) -> str:
        """Create a source of Standard Webhooks, unless the fields say otherwise; return the path that senders use."""

    @abstractmethod
    def received(self) -> int:
        """Return the number of messages that were stored."""

    def discard(self) -> None:
        """Stop all processes and remove the files."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Execute a statement and return its rows."""
        cursor = self.connection.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def number(self, statement: str) -> int:
        """Execute a statement and return the one integer it gives."""
        return int(self.sql(statement)[0][0])

    def post(self, path: str, content: Any, headers: dict[str, str]) -> Any:
        """Return the content of the response to a POST. Raises RuntimeError if it is rejected."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", path, json.dumps(content), {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            found = response.read()
        finally:
            connection.close()
        if response.status != http.HTTPStatus.CREATED:
            raise RuntimeError(f"POST {path}: {response.status} {found[:500]!r}")
        return json.loads(found)


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
        time.sleep(LOOK_EVERY)
    raise RuntimeError(f"{process.args!r} does not start")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
