"""Test that accepted messages are stored once when the database is stopped and started while they arrive.

Senders repeat each message until it is acknowledged.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path

import orjson
import psycopg
import pytest

from config.local import embedded
from tests.factories_receiver import SECRET, signed
from tests.waiting import wait_until
from tests.web_server import ROOT, Server, running

LARGE = 100_000  # bytes; more than is stored in the row
SENDERS = 4
AFTER = 2  # days; no upload takes longer
SWEEP = (
    "from datetime import timedelta; from django.utils import timezone;"
    f" from webhooks.processing.sweep import remove_orphans; remove_orphans(timezone.now() + timedelta(days={AFTER}))"
)


@dataclass
class Database:
    """An embedded server of this test."""

    data: Path
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.start()
        self.url = embedded.database_url(self.data)

    def start(self) -> None:
        embedded.attach(embedded.POSTGRES, self.data)

    def stop(self) -> None:
        assert embedded.leave(embedded.POSTGRES, self.data, 60.0)

    def query(self, statement: str) -> list[tuple]:
        with psycopg.connect(self.url) as session:
            return session.execute(statement).fetchall()

    def manage(self, *words: str) -> bytes:
        command = [sys.executable, "manage.py", *words]
        environment = {**os.environ, "DATABASE_URL": self.url, "DJANGO_SETTINGS_MODULE": "config.settings"}
        return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True).stdout


@pytest.fixture
def database() -> Iterator[Database]:
    data = Path(tempfile.mkdtemp(prefix="waypost-tests-"))
    data.chmod(0o711)  # so that the server's user can traverse it when we are root
    database = Database(data)
    try:
        database.manage("migrate", "--verbosity", "0")
        yield database
    finally:
        embedded.discard(data)


@dataclass
class Senders:
    """Send messages from several threads until the context ends."""

    server: Server
    path: str
    responses: list[tuple[int, str | None]] = field(default_factory=list)
    """Status and Retry-After of every response; 0 if the connection broke."""
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Message ids, and the digest of their bodies."""
    over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Senders":
        self._threads = [threading.Thread(target=self._send_on, args=(name,)) for name in range(SENDERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()

    def count(self, status: int) -> int:
        return sum(response[0] == status for response in list(self.responses))

    def _send_on(self, name: int) -> None:
        for number in count():
            if self.over.is_set():
                return
            filling = "x" * (LARGE if number % 5 == 0 else 100)
            body = orjson.dumps({"type": "a.b", "sender": name, "number": number, "filling": filling})
            self._until_acknowledged(f"msg_{name}_{number}", body)

    def _until_acknowledged(self, message_id: str, body: bytes) -> None:
        while True:
            response = post(self.server, self.path, body, signed(body, message_id=message_id))
            self.responses.append(response)
            if response[0] in (200, 202):
                self.acknowledged[message_id] = hashlib.sha256(body).hexdigest()
                return
            self.over.wait(0.02)


def post(server: Server, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str | None]:
    with closing(HTTPConnection("127.0.0.1", server.port)) as sender:
        try:
            sender.request("POST", path, body, {"content-type": "application/json", **headers})
            response = sender.getresponse()
            return response.status, response.getheader("retry-after")
        except (OSError, HTTPException):
            return 0, None


def make_source(database: Database, server: Server) -> str:
    """Create a source over the REST API and return its path."""
    key = json.loads(database.manage("tenant", "shop"))["api_key"]
    with closing(HTTPConnection("127.0.0.1", server.port)) as visitor:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        visitor.request("POST", "/api/v1/sources/", orjson.dumps({"scheme": "standard", "secret": SECRET}), headers)
        response = visitor.getresponse()
        made = orjson.loads(response.read())
        assert response.status == 201, made
        return f"/in/{made['id']}/"


def objects(place: Path) -> dict[str, int]:
    return {str(path.relative_to(place)): path.stat().st_size for path in place.rglob("*") if path.is_file()}


def test_database_restart_loses_no_accepted_message(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYPOST_STORAGE_URL", tmp_path.as_uri())
    with running(tmp_path, database=database.url) as server:
        path = make_source(database, server)
        with Senders(server, path) as senders:
            wait_until(lambda: senders.count(202) > 50, "messages to be stored")
            database.stop()
            try:
                wait_until(lambda: senders.count(503) > 50, "messages to get 503")
            finally:
                database.start()
            before = senders.count(202)
            wait_until(lambda: senders.count(202) > before + 50, "messages to be stored again")
    assert {status for status, _ in senders.responses} <= {202, 503, 200}
    assert {wait for status, wait in senders.responses if status == 503} == {"5"}
    stored = database.query("SELECT message_id, sha256 FROM webhooks_receipt")
    assert dict(stored) == senders.acknowledged
    assert len(stored) == len(senders.acknowledged)
    database.manage("shell", "-c", SWEEP)
    assert objects(tmp_path) == dict(database.query("SELECT body_key, size FROM webhooks_receipt WHERE body_key <> ''"))
