"""Streams of a Valkey server."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import redis

from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from tests.delivery.destinations.battery import Battery, Place, Received, endpoint_of, publish_to, run_drain
from tests.delivery.destinations.battery import hung_port as hung_port
from tests.delivery.destinations.battery import loopback as loopback
from tests.valkey_server import valkey_server

PASSWORD = "p-Zeitgeist-99"
USER = "waypost-test"
_numbers = count(1)


class Stream(Place):
    secret_texts = (PASSWORD,)

    def __init__(self, server: "redis.Redis", host: str) -> None:
        self.server, self.host = server, host
        self.stream = f"orders-{next(_numbers)}"
        server.delete(self.stream)
        super().__init__(
            "redis_stream",
            {"host": host, "stream": self.stream, "tls": False, "username": USER},
            {"password": PASSWORD},
            (PASSWORD,),
        )

    def received(self) -> list[Received]:
        entries: Any = self.server.xrange(self.stream)
        found = []
        for _, fields in entries:
            attributes = {key.decode(): value.decode() for key, value in fields.items() if key != b"body"}
            found.append(Received(fields[b"body"], attributes))
        return found

    def elsewhere(self) -> "Stream":
        return Stream(self.server, self.host)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {"password": "wrong"}

    def missing(self) -> None:
        return None

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "host": f"127.0.0.1:{port}"}, self.credentials


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with valkey_server() as it:
        yield it


@pytest.fixture
def place(address: str) -> Iterator[Stream]:
    server = redis.Redis.from_url(f"redis://{address}")
    server.execute_command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~orders-*", "+@all")
    yield Stream(server, address)
    server.execute_command("ACL", "DELUSER", USER)
    server.close()


class TestRedisStream(Battery):
    """Run what every kind promises."""


@pytest.mark.django_db(transaction=True)
class TestStreams:
    def test_length_above_the_limit_removes_the_oldest(self, place: Stream) -> None:
        endpoint = endpoint_of(place, ({**place.settings, "max_length": 1}, place.credentials))
        publish_to(endpoint, *range(300))
        run_drain()
        assert len(place.received()) < 300

    def test_key_of_another_type_is_refused_for_each_message(self, place: Stream) -> None:
        place.server.set(place.stream, "text")
        endpoint = endpoint_of(place)
        publish_to(endpoint, 1, 2)
        run_drain()
        assert [it.last_error for it in endpoint.deliveries.all()] == ["refused", "refused"]
        place.server.delete(place.stream)


def test_host_without_a_port_number_is_named() -> None:
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("redis_stream", Connection("", 1, {}), {"host": "a:b:c", "stream": "s"}, {})
    assert "settings.host" in caught.value.problems
