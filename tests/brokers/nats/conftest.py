import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import nats
import pytest

from tests.brokers.nats.server import PASSWORD, USER, NatsServer


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running server."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.stop()


class Vendor:
    """Call the vendor's client, whose functions are coroutines."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._client: Any = self.run(nats.connect(f"nats://127.0.0.1:{port}", user=USER, password=PASSWORD))
        self.api = self._client.jetstream()

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Return the result of a coroutine."""
        return self._loop.run_until_complete(call)

    def publish(self, subject: str, *bodies: bytes, **headers: str) -> None:
        """Publish messages and wait until they are stored."""
        named = {name.replace("_", "-"): value for name, value in headers.items()} or None
        for body in bodies:
            self.run(self.api.publish(subject, body, headers=named))

    def close(self) -> None:
        with suppress(Exception):
            self.run(self._client.close())
        for _ in range(3):  # callbacks that close the socket
            self.run(asyncio.sleep(0))
        self._loop.close()


@pytest.fixture
def vendor(nats_server: NatsServer) -> Iterator[Vendor]:
    client = Vendor(nats_server.port)
    yield client
    client.close()


@pytest.fixture
def stream(vendor: Vendor) -> str:
    """Return the name of a new stream, which has the subjects below its name."""
    name = f"ORDERS{uuid4().hex[:8]}"
    vendor.run(vendor.api.add_stream(name=name, subjects=[f"{name}.>"]))
    return name
