"""Run the platform's web server as a process of its own, and send messages to it."""

import http.client
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.database_url import database_url
from tests.ports import free_port
from tests.processes import start
from webhooks.models import Source

ROOT = Path(__file__).resolve().parents[1]
MIB = 1024 * 1024


class Server:
    """Run a web process on a free port."""

    def __init__(self, data: Path, *, database: str = "", largest_file: int = 0) -> None:
        self.port = free_port()
        env = {**os.environ, "DATABASE_URL": database or database_url(), "WAYPOST_STORAGE_URL": data.as_uri()}
        env["DJANGO_SETTINGS_MODULE"] = "config.settings"
        self.process = start(
            [sys.executable, "-m", "config.web", "--port", str(self.port)],
            cwd=ROOT,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if largest_file:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (largest_file, largest_file))

    def is_up(self) -> bool:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port)) as visitor:
            try:
                visitor.request("GET", "/healthz")
                return visitor.getresponse().status == 200
            except OSError:
                return False

    def memory(self) -> int:
        """Return the resident bytes of the process and its workers."""
        main = psutil.Process(self.process.pid)
        return sum(each.memory_info().rss for each in (main, *main.children(recursive=True)))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


@contextmanager
def running(data: Path, **how: Any) -> Iterator[Server]:
    server = Server(data, **how)
    try:
        while not server.is_up():
            assert server.process.poll() is None, "the server ended"
            time.sleep(0.05)
        yield server
    finally:
        server.stop()


def send(server: Server, source: Source, body: Iterator[bytes], headers: dict[str, str]) -> int:
    chunked = "Content-Length" not in headers
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as sender:
        sender.request("POST", f"/in/{source.public_id}/", body, headers, encode_chunked=chunked)
        return sender.getresponse().status
