"""Give attacks their tools: API calls, raw connections, servers, SQL, and clients that repeat until the end.

Each attack runs in a process of its own (``attacker_process``).
"""

import http.client
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
import psycopg

from config.local import embedded
from tests.receiver import Receiver, Respond

ADDRESS, PROXY = "127.66.0.1", "127.0.0.9"  # of the attacker; of the proxy that the platform trusts
BATCH = "application/cloudevents-batch+json"
Body = bytes | list[Any] | dict[str, Any] | None


class Rejected(Exception):
    """A request that the attack needs was not successful."""


@dataclass
class Attacker:
    """One attacker: a tenant with keys, its clients and its servers."""

    number: int
    port: int
    tenant: str
    key: str
    read_key: str
    platform_key: str
    victim: dict[str, Any]  # facts about the neighbour
    data: str
    names: bool
    clock: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)
    outcomes: Counter[str] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)
    listeners: list[socket.socket] = field(default_factory=list)  # kept open until the end
    _receivers: list[Receiver] = field(default_factory=list)
    _local: threading.local = field(default_factory=threading.local)

    # Clients.

    def clients(self, count: int, act: Callable[[], object], pause: float = 0.0) -> None:
        """Start threads that repeat this until the end. An error is counted and followed by a short pause."""
        for _ in range(count):
            threading.Thread(target=self._repeat, args=(act, pause), daemon=True).start()

    def _repeat(self, act: Callable[[], object], pause: float) -> None:
        while not self.stopping.is_set():
            try:
                act()
            except Exception as error:  # whatever the platform does to an attacker is right
                self.outcomes[type(error).__name__] += 1
                self.stopping.wait(0.05)
            if pause:
                self.stopping.wait(pause)

    def breach(self, what: str) -> None:
        """Report that something happened that never may."""
        self.breaches.append(what)

    # HTTP.

    def request(
        self,
        method: str,
        path: str,
        body: Body = None,
        *,
        key: str | None = None,
        timeout: float = 60.0,
        **headers: str,
    ) -> tuple[int, bytes]:
        """Send a request on this thread's connection and return status and body; ``key=""`` sends no key."""
        connection = self._connection(timeout)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if key != "":
            given.setdefault("authorization", f"Bearer {key or self.key}")
        if isinstance(body, list | dict):
            body = orjson.dumps(body)
            given.setdefault("content-type", "application/json")
        try:
            connection.request(method, path, body, given)
            response = connection.getresponse()
            content = response.read()
        except BaseException:
            connection.close()
            raise
        self.outcomes[str(response.status)] += 1
        return response.status, content

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        found: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=timeout, source_address=(ADDRESS, 0)
            )
        return found

    def get(self, path: str, **options: Any) -> bytes:
        return self.request("GET", path, **options)[1]

    def create(self, path: str, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
        """Create a resource. Raises Rejected."""
        status, content = self.request("POST", f"/api/v1/{path}/", fields, key=key)
        if status not in (200, 201, 202):
            raise Rejected(f"{path}: {status} {content[:300]!r}")
        return dict(json.loads(content))

    def endpoint(self, url: str, *types: str, pattern: Any = None, transformer: Any = None, **fields: Any) -> str:
        """Create an endpoint with a subscription, and return its id."""
        made = self.create("endpoints", url=url, **fields)
        more = {name: value for name, value in {"pattern": pattern, "transformer": transformer}.items() if value}
        self.create("subscriptions", endpoint=made["id"], event_types=list(types) or ["*"], **more)
        return str(made["id"])

    def source(self, **fields: Any) -> dict[str, Any]:
        """Create a source that accepts everything, unless the fields say otherwise."""
        return self.create("sources", **{"scheme": "none", **fields})

    def publish(self, *events: dict[str, Any]) -> int:
        """Publish events in one batch, and return the status."""
        stamp = f"{time.time_ns()}-{random.getrandbits(32)}"
        whole = [
            {"specversion": "1.0", "source": "/attacker", "id": f"{stamp}-{position}", "type": "attack", **event}
            for position, event in enumerate(events)
        ]
        return self.request("POST", "/api/v1/events/", orjson.dumps(whole), content_type=BATCH)[0]

    def message(self, url: str, body: bytes = b"", **options: Any) -> int:
        """Send a message to a source, by default one of its own, and return the status."""
        path = "/" + url.split("/", 3)[3]
        body = body or b'{"number": %d}' % random.getrandbits(64)
        return self.request("POST", path, body, key="", content_type="application/json", **options)[0]

    # Sockets.

    def connect(self, address: str = ADDRESS) -> socket.socket:
        """Open a raw connection to the platform from this address."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60, source_address=(address, 0))

    def hold(self, count: int, opening: bytes, drip: bytes = b"", every: float = 8.0) -> None:
        """Keep this many connections open after these bytes; send ``drip`` now and then, and replace closed ones."""
        threading.Thread(target=self._hold, args=(count, opening, drip, every), daemon=True).start()

    def _hold(self, count: int, opening: bytes, drip: bytes, every: float) -> None:
        held: list[socket.socket] = []
        while not self.stopping.is_set():
            while len(held) < count and not self.stopping.is_set():
                try:
                    held.append(self.connect())
                    held[-1].sendall(opening)
                    held[-1].setblocking(False)
                    self.outcomes["connections"] += 1
                except OSError as error:
                    self.outcomes[type(error).__name__] += 1
                    break
            self.stopping.wait(every)
            held = [one for one in held if self._is_open(one, drip)]

    def _is_open(self, one: socket.socket, drip: bytes) -> bool:
        try:
            if one.recv(65536) == b"":
                one.close()
                return False
        except BlockingIOError:
            pass
        except OSError:
            return False
        with suppress(OSError):
            if drip:
                one.sendall(drip)
            return True
        return False

    # Servers and the database.

    def server(self, respond: int | Respond, path: str = "/hook", host: str = "127.0.0.1") -> str:
        """Return the URL of a server of the attacker that responds in this way."""
        receiver = self._receiver
        receiver.script(path, respond)
        return receiver.url(path, host)

    @cached_property
    def _receiver(self) -> Receiver:
        receiver = Receiver()
        receiver.__enter__()
        self._receivers.append(receiver)
        return receiver

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Execute a statement in the platform's database, to prepare what would take hours over the API."""
        with psycopg.connect(embedded.database_url(Path(self.data)), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []
