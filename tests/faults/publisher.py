"""Publish events as a correct client does, and log which were accepted: an id counts once its line is on disk.

The client chooses the event ids, and sends a request again with the same ids if it got no response. After an error
response it does so half of the time; events it abandons then must never be delivered.
"""

import http.client
import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import orjson

TIMEOUT = 10.0  # seconds for one response
RETRY_PAUSE = 0.2  # seconds before a request is repeated
BATCH = 10
COSTLY = "fault.costly"  # a type with a subscription whose pattern costs more than a request may
JSON, BATCH_JSON = "application/json", "application/cloudevents-batch+json"


class PublishRequest(NamedTuple):
    """One request: its start (Unix seconds), its duration, and its status (None: no response)."""

    at: float
    seconds: float
    status: int | None


@dataclass
class PublishLog:
    """The responses to published events.

    ``accepted``: event id -> message id, after a 2xx. ``rejected``: ids with only error responses. ``unknown``: ids
    with a missing response and no 2xx. ``unexpected``: responses that must not occur. ``deferred``: how many accepted
    events had to be routed by a worker.
    """

    path: Path
    accepted: dict[str, str] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    unexpected: list[Any] = field(default_factory=list)
    requests: list[PublishRequest] = field(default_factory=list)
    deferred: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def record_accepted(self, ids: dict[str, str]) -> None:
        """Write the ids to disk first, then add them."""
        lines = b"".join(orjson.dumps(item) + b"\n" for item in ids.items())
        with self.lock, self.path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
            self.accepted |= ids


class Publisher:
    """Use as a context manager: ``threads`` clients publish until it is left, single events and batches in turn."""

    def __init__(self, port: int, key: str, name: str, path: Path, *, threads: int = 4, rate: float = 8.0) -> None:
        self.log = PublishLog(path)
        self.chance = random.Random(name)
        self._address = ("127.0.0.1", port)
        self._headers = {"authorization": f"Bearer {key}"}
        self._name = name
        self._pause = 1 / rate
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(threads)]

    def __enter__(self) -> "Publisher":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: int) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=TIMEOUT)
        for ids in self._ids_of_requests(client):
            if self._stopping.wait(self._pause):
                break
            self._publish(connection, ids)
        connection.close()

    def _ids_of_requests(self, client: int) -> Iterator[list[str]]:
        """Yield the ids of each request: a batch, then a single event, and so on."""
        for turn in range(10**9):
            yield [f"{self._name}-{client}-{turn}-{item}" for item in range(1 if turn % 2 else BATCH)]

    def _publish(self, connection: http.client.HTTPConnection, ids: list[str]) -> None:
        """Publish, and repeat until a response is final."""
        had_no_response = False
        while True:
            status, response = self._send(connection, ids)
            if status == 202:
                return self._log_accepted(response)
            had_no_response = had_no_response or status is None
            if (status is not None and self.chance.random() < 0.5) or self._stopping.wait(RETRY_PAUSE):
                return (self.log.unknown if had_no_response else self.log.rejected).update(ids)

    def _log_accepted(self, response: dict[str, Any]) -> None:
        """Log a 202; every event is valid, so an error for one of them is unexpected."""
        items = response.get("data", [response])
        self.log.unexpected += [item for item in items if "error" in item]
        accepted = [item for item in items if "error" not in item]
        self.log.record_accepted({item["event_id"]: item["id"] for item in accepted})
        self.log.deferred += sum(item["routing"] == "deferred" for item in accepted)

    def _send(self, connection: http.client.HTTPConnection, ids: list[str]) -> tuple[int | None, Any]:
        body = [{"specversion": "1.0", "source": "/faults", **event(one)} for one in ids]
        single = len(ids) == 1
        headers = {**self._headers, "content-type": JSON if single else BATCH_JSON}
        started_at, started = time.time(), time.monotonic()
        status, response = None, None
        try:
            connection.request("POST", "/api/v1/events/", orjson.dumps(body[0] if single else body), headers)
            received = connection.getresponse()
            response = orjson.loads(received.read())
            status = received.status
        except (OSError, http.client.HTTPException, orjson.JSONDecodeError):
            connection.close()
        self.log.requests.append(PublishRequest(started_at, time.monotonic() - started, status))
        return status, response


def is_costly(name: str) -> bool:
    """Return whether the event with this id has the type that only a worker routes."""
    return crc32(name.encode()) % 3 == 0


def event(name: str) -> dict[str, Any]:
    """Return an event with this id; a third of them have the type that only a worker routes, and no subject."""
    data = {"of": name, "filler": "é" * 200}
    if is_costly(name):
        return {"id": name, "type": COSTLY, "data": {**data, "numbers": list(range(300))}}
    *_, client, _, item = name.split("-")
    return {"id": name, "type": "fault.injected", "subject": f"{client}-{item}", "data": data}
