"""Run the usual way: the Django project in `benchmarks/usual` with its web server, workers, and servers of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from benchmarks.deployment import ROOT
from benchmarks.system import STOP_WITHIN, System, await_ready, free_port
from benchmarks.wire.messages import SECRET, event, events_request
from benchmarks.wire.programs import Start
from config.local import embedded

THREADS = 8  # of the web server
WORKERS_WITHIN = 60.0  # seconds
TABLES = "usual_attempt, usual_delivery, usual_event, usual_endpoint, usual_received"
ENDPOINTS = """INSERT INTO usual_endpoint (url, secret, types)
SELECT url, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), ARRAY[type, 'bench.all']
  FROM unnest(%s::text[], %s::text[]) AS it (url, type)"""


class UsualSystem(System):
    """The usual project, running."""

    PENDING = "SELECT count(*) FROM usual_delivery WHERE state = 'pending'"
    ATTEMPTS = "SELECT count(*) FROM usual_attempt"
    is_usual: ClassVar[bool] = True

    def __init__(self, directory: Path, start: Start) -> None:
        """Start servers, web and workers. Raises RuntimeError if one does not start."""
        directory.chmod(0o711)
        self.data, self._start, self._ready = directory / "data", start, directory / "ready"
        self.data.mkdir(exist_ok=True)
        self._environment = {
            **os.environ,
            "USUAL_DATA": str(self.data),
            "USUAL_DATABASE": embedded.database_url(self.data),
            "USUAL_BROKER": embedded.broker_url(self.data),
            "USUAL_SECRET": SECRET,
            "USUAL_READY": str(self._ready),
            "DJANGO_SETTINGS_MODULE": "benchmarks.usual.settings",
            "PYTHONWARNINGS": "ignore",  # Celery warns if it runs as root
        }
        self.restart()

    def restart(self) -> None:
        """Start everything on the files. Raises RuntimeError."""
        began, self.port = time.monotonic(), free_port()
        for server in (embedded.POSTGRES, embedded.VALKEY):
            embedded.attach(server, self.data)
        self.connection = psycopg.connect(embedded.database_url(self.data), autocommit=True)
        if self._python("django", "migrate", "--run-syncdb", "-v0").wait():
            raise RuntimeError("the tables could not be created")
        granian = ["granian", "--interface", "wsgi", "--port", str(self.port), "--no-ws", "--log-level", "error"]
        self._web = self._python(*granian, "--blocking-threads", str(THREADS), "benchmarks.usual.web:application")
        self._start_workers()
        await_ready(self.port, "/ready/", self._web)
        self._await_workers()
        self.start_seconds = time.monotonic() - began

    def stop(self) -> None:
        """Stop web, workers and servers."""
        self.connection.close()
        self._web.terminate()
        self._web.wait()
        self.suspend()
        for server in (embedded.POSTGRES, embedded.VALKEY):
            embedded.leave(server, self.data, STOP_WITHIN)

    def discard(self) -> None:
        """Stop everything and remove the files."""
        self.stop()
        embedded.discard(self.data, STOP_WITHIN)

    def empty(self) -> None:
        """Restart the workers, whose processes may be busy with earlier tasks, on an empty broker and empty tables."""
        self._workers.kill()
        self._workers.wait()
        if self._python("benchmarks.usual.tasks", "purge").wait():
            raise RuntimeError("the broker could not be emptied")
        self.sql(f"TRUNCATE {TABLES} CASCADE")
        self.sql("CHECKPOINT")
        self._start_workers()
        self._await_workers()

    def create_endpoints(
        self, uids: list[str], urls: list[str], types: list[str], api_key: str = "", **fields: Any
    ) -> None:
        """Insert the endpoints. Uids, keys and further fields are not known to this project."""
        self.sql(ENDPOINTS, urls, types)

    def publish_request(self, event_types: list[str], size: int, api_key: str = "") -> bytes:
        """Return a request with a list of events."""
        return events_request("/events/", [event(each, size) for each in event_types])

    def suspend(self) -> None:
        """Stop the workers."""
        self._workers.terminate()
        self._workers.wait()

    def resume(self) -> None:
        """Start the workers."""
        self._start_workers()

    def create_source(self, secret: str, **fields: Any) -> str:
        """Return the path of the receiving view; its secret is in the environment."""
        return "/in/usual/"

    def received(self) -> int:
        """Return the number of messages that were stored."""
        return self.number("SELECT count(*) FROM usual_received")

    def _start_workers(self) -> None:
        self._ready.unlink(missing_ok=True)
        celery = ["celery", "-q", "-A", "benchmarks.usual.tasks", "worker", "-c", str(2 * (os.cpu_count() or 1))]
        options = ["-O", "fair", "--without-gossip", "--without-mingle", "-l", "ERROR"]
        self._workers = self._python(*celery, *options)

    def _await_workers(self) -> None:
        until = time.monotonic() + WORKERS_WITHIN
        while not self._ready.exists():
            if self._workers.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the workers do not start")
            time.sleep(0.02)

    def _python(self, *arguments: str) -> "subprocess.Popen[Any]":
        command = [sys.executable, "-m", *arguments]
        return self._start(command, cwd=ROOT, env=self._environment, stdout=subprocess.DEVNULL)
