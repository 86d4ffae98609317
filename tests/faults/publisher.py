"""The publishing end, which keeps book of what it was promised: an id counts once its line is on the disk.

A client as one should be: it names its events itself, and asks again with the same name when no answer came. After
an answer that was an error it does so half of the time; what it gives up then must never be delivered.
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

import orjson

PATIENCE = 10.0  # seconds for one answer
PAUSE = 0.2  # seconds before the same is asked again
BATCH = 10
JSON, BATCHED = "application/json", "application/cloudevents-batch+json"


class Asked(NamedTuple):
    """One request: when it began (unix seconds), how long it took, its status (None: no answer came)."""

    at: float
    seconds: float
    status: int | None


@dataclass
class Book:
    """``promised``: our event id -> the platform's message id, after a 2xx. ``refused``: every answer was an error.
    ``open``: no answer came at least once, and then no promise. ``odd``: answers that should not be there."""

    path: Path
    promised: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    odd: list[Any] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def promise(self, taken: dict[str, str]) -> None:
        """On the disk first, then it counts."""
        lines = b"".join(orjson.dumps(item) + b"\n" for item in taken.items())
        with self.lock, self.path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
            self.promised |= taken


class Publisher:
    """Use as a context manager: ``threads`` clients publish until it is left, singles and batches, in turn."""

    def __init__(self, port: int, key: str, name: str, book: Path, *, threads: int = 4, rate: float = 8.0) -> None:
        self.book = Book(book)
        self.dice = random.Random(name)
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
        connection = http.client.HTTPConnection(*self._address, timeout=PATIENCE)
        for ids in self._names(client):
            if self._stopping.wait(self._pause):
                break
            self._publish(connection, ids)
        connection.close()

    def _names(self, client: int) -> Iterator[list[str]]:
        """One name, then as many as a batch has, and so on."""
        for turn in range(10**9):
            yield [f"{self._name}-{client}-{turn}-{item}" for item in range(1 if turn % 2 else BATCH)]

    def _publish(self, connection: http.client.HTTPConnection, ids: list[str]) -> None:
        """Until there is an answer to live with."""
        unsure = False
        while True:
            status, answer = self._ask(connection, ids)
            if status == 202:
                return self._note(answer)
            unsure = unsure or status is None
            if (status is not None and self.dice.random() < 0.5) or self._stopping.wait(PAUSE):
                return (self.book.open if unsure else self.book.refused).update(ids)

    def _note(self, answer: dict[str, Any]) -> None:
        """Every event of ours is valid, so a single one that is not taken is odd."""
        items = answer.get("data", [answer])
        self.book.odd += [item for item in items if "error" in item]
        self.book.promise({item["event_id"]: item["id"] for item in items if "error" not in item})

    def _ask(self, connection: http.client.HTTPConnection, ids: list[str]) -> tuple[int | None, Any]:
        body = [{"specversion": "1.0", "source": "/faults", **event(one)} for one in ids]
        single = len(ids) == 1
        headers = {**self._headers, "content-type": JSON if single else BATCHED}
        began, started = time.time(), time.monotonic()
        status, answer = None, None
        try:
            connection.request("POST", "/api/v1/events/", orjson.dumps(body[0] if single else body), headers)
            response = connection.getresponse()
            answer = orjson.loads(response.read())
            status = response.status
        except (OSError, http.client.HTTPException, orjson.JSONDecodeError):
            connection.close()
        self.book.asked.append(Asked(began, time.monotonic() - started, status))
        return status, answer


def event(name: str) -> dict[str, Any]:
    return {"id": name, "type": "fault.injected", "data": {"of": name, "filler": "é" * 200}}
