"""Topics of Pub/Sub, on a server that checks the signature of the service account."""

from base64 import b64decode
from collections.abc import Iterator
from itertools import count
from typing import Any

import orjson
import pytest

from delivery.destinations.pubsub import MAX_BYTES, PubSubClient
from delivery.models import Attempt
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from tests.delivery.destinations.battery import (
    Battery,
    Place,
    Received,
    endpoint_of,
    latest_attempt,
    publish_to,
    run_drain,
)
from tests.delivery.destinations.battery import hung_port as hung_port
from tests.delivery.destinations.battery import loopback as loopback
from tests.webhooks.sources.kinds.google.pubsub_server import GUEST, PEM, PubSubServer, pubsub_server

_numbers = count(1)


class Topic(Place):
    def __init__(self, server: PubSubServer) -> None:
        self.server, self.topic = server, f"projects/shop/topics/orders{next(_numbers)}"
        server.topics[self.topic] = []
        settings = {"topic": self.topic, "endpoint_url": server.url}
        secrets = (orjson.dumps(PEM).decode()[40:120],)
        super().__init__("pubsub", settings, {"service_account": server.key_file()}, secrets)
        self.shown_at = server.url

    def received(self) -> list[Received]:
        return [
            Received(b64decode(it["data"]), it["attributes"], it.get("orderingKey"))
            for it in self.server.topics[self.topic]
        ]

    def elsewhere(self) -> "Topic":
        return Topic(self.server)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {"service_account": self.server.key_file(client_email=GUEST)}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "topic": "projects/shop/topics/not-there"}, self.credentials

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        """Return settings without a service account, whose token server is at an address of this machine too."""
        return {**self.settings, "endpoint_url": f"http://127.0.0.1:{port}"}, {}


@pytest.fixture(scope="module")
def server() -> Iterator[PubSubServer]:
    with pubsub_server() as it:
        yield it


class TestPubSub(Battery):
    """Run what every kind promises."""

    @pytest.fixture
    def place(self, server: PubSubServer) -> Topic:
        return Topic(server)

    def test_ordering_key_is_the_order_key(self, place: Topic) -> None:
        endpoint = endpoint_of(place, ordering="subject")
        publish_to(endpoint, 1, subject="customer é")
        publish_to(endpoint, 2, subject="c2")
        run_drain()
        assert {it.key for it in place.received()} == {"customer é", "c2"}

    def test_messages_without_order_share_a_request_and_one_token(self, place: Topic) -> None:
        before = len(place.server.tokens)
        endpoint = endpoint_of(place)
        publish_to(endpoint, *range(30))
        run_drain()
        publish_to(endpoint, 30)
        run_drain()
        assert Attempt.objects.values("started_at").distinct().count() == 2
        assert len(place.received()) == 31
        assert len(place.server.tokens) == before + 1

    def test_key_that_the_token_server_refuses_fails_the_attempt(self, place: Topic) -> None:
        key = place.server.key_file(client_email="unknown@shop.example")
        publish_to(endpoint_of(place, (place.settings, {"service_account": key})), 1)
        run_drain()
        assert latest_attempt().error == Failure.CREDENTIALS

    def test_topic_by_its_id_is_in_the_project_of_the_service_account(self, place: Topic) -> None:
        given = ({**place.settings, "topic": place.topic.rpartition("/")[2]}, place.credentials)
        publish_to(endpoint_of(place, given), 1)
        run_drain()
        assert len(place.received()) == 1

    @pytest.mark.parametrize(("status", "failure"), [(429, "throttled"), (503, "unavailable"), (400, "refused")])
    def test_status_says_what_to_do(self, place: Topic, status: int, failure: str) -> None:
        publish_to(endpoint_of(place), 1)
        place.server.fails["publish"] = [status]
        run_drain()
        assert latest_attempt().error == failure


def test_test_of_settings_names_what_is_wrong(server: PubSubServer) -> None:
    settings = {"topic": "projects/shop/topics/not-there", "endpoint_url": server.url}
    for key, setting in (
        (server.key_file(), "settings.topic"),
        (server.key_file(client_email="unknown@shop.example"), "credentials.service_account"),
    ):
        kind, connection = checked_connection("pubsub", Connection("", 1, {}), settings, {"service_account": key})
        with pytest.raises(DestinationUnavailable) as caught:
            kind.test(connection)
        assert caught.value.setting == setting


def message(body: bytes = b"{}", key: str | None = None) -> Message:
    return Message("evt_1", body, "application/json", True, key, 1, "v1,x")


@pytest.fixture
def client() -> PubSubClient:
    settings = {"topic": "projects/shop/topics/orders", "endpoint_url": "http://127.0.0.1:8085"}
    return PubSubClient(Connection("ep_1", 1, settings, {}))


def test_service_without_accounts_gets_no_token(client: PubSubClient) -> None:
    request = client.compose([message()], 1, "")
    assert client.token is None
    assert "authorization" not in request.headers
    assert request.url == "http://127.0.0.1:8085/v1/projects/shop/topics/orders:publish"


@pytest.mark.parametrize(("key", "length"), [("é" * 512, 512), ("é" * 513, 64), ("", 7)])
def test_ordering_key_has_at_most_1024_bytes(client: PubSubClient, key: str, length: int) -> None:
    request = client.compose([message(key=key)], 1, "")
    assert len(orjson.loads(request.body)["messages"][0]["orderingKey"]) == length


def test_message_beyond_the_limit_is_too_large(client: PubSubClient) -> None:
    with pytest.raises(SendFailed, match="Pub/Sub accepts") as caught:
        client.size_of(message(b" " * MAX_BYTES))
    assert caught.value.failure is Failure.TOO_LARGE


@pytest.mark.parametrize("response", [b"", b"[]", b'{"messageIds": ["1"]}', b'{"messageIds": "12"}'])
def test_response_without_an_id_for_each_message_settles_nothing(client: PubSubClient, response: bytes) -> None:
    found = client.verdicts(Outcome(1.0, 5, 200, None, response), [message()] * 2)
    assert [it.failure for it in found] == [Failure.PROTOCOL] * 2


@pytest.mark.parametrize(
    ("given", "key", "field"),
    [
        ({"topic": "projects/shop/topics/orders"}, None, "credentials.service_account"),
        ({"topic": "projects/shop/topics/orders"}, "{}", "credentials.service_account"),
        ({"topic": "orders", "endpoint_url": "http://127.0.0.1:8085"}, None, "settings.topic"),
        ({"topic": "projects/shop/topics/orders", "endpoint_url": "x"}, None, "settings.endpoint_url"),
    ],
)
def test_settings_that_cannot_work_are_named(given: dict[str, str], key: str | None, field: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("pubsub", Connection("", 1, {}), given, {} if key is None else {"service_account": key})
    assert [*caught.value.problems] == [field]
