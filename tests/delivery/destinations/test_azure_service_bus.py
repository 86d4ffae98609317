"""Queues of Azure Service Bus, on a server that checks signatures and tokens."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import orjson
import pytest

from delivery.destinations.azure_service_bus import MAX_BYTES, PREMIUM, STANDARD, ServiceBusClient
from delivery.models import Attempt
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection, find_kind
from tests.delivery.destinations.azure_server import (
    CLIENT,
    CLIENT_SECRET,
    DIRECTORY,
    POLICIES,
    AzureServer,
    azure_server,
)
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

_numbers = count(1)
ROOT = {"access_key": POLICIES["root"][0]}


class Queue(Place):
    stores_repeats_once = True
    too_large = MAX_BYTES[STANDARD]

    def __init__(self, server: AzureServer) -> None:
        self.server, self.queue = server, f"orders/q{next(_numbers)}"
        server.queues[self.queue] = []
        settings = {"namespace_url": server.url, "entity": self.queue, "key_name": "root"}
        super().__init__("azure_service_bus", settings, ROOT, (*ROOT.values(), CLIENT_SECRET))

    def received(self) -> list[Received]:
        return self.server.queues[self.queue]

    def elsewhere(self) -> "Queue":
        return type(self)(self.server)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {**self.credentials, "access_key": "wrong"}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "entity": "not-there"}, self.credentials

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "namespace_url": f"http://127.0.0.1:{port}"}, self.credentials


def as_application(queue: Queue) -> tuple[dict[str, Any], dict[str, str]]:
    settings = {
        "namespace_url": queue.server.url,
        "entity": queue.queue,
        "authority_url": f"{queue.server.url}/login",
        "tenant_id": DIRECTORY,
        "client_id": CLIENT,
    }
    return settings, {"client_secret": CLIENT_SECRET}


@pytest.fixture(scope="module")
def server() -> Iterator[AzureServer]:
    with azure_server() as it:
        yield it


class TestServiceBus(Battery):
    """Run what every kind promises."""

    @pytest.fixture
    def place(self, server: AzureServer) -> Queue:
        return Queue(server)

    def test_session_is_the_order_key_and_message_id_that_of_the_event(self, place: Queue) -> None:
        endpoint = endpoint_of(place, ordering="subject")
        ids = [*publish_to(endpoint, 1, subject="é 1"), *publish_to(endpoint, 2, subject="c2")]
        run_drain()
        assert {it.attributes["MessageId"]: it.key for it in place.received()} == dict(
            zip(ids, ("é 1", "c2"), strict=True)
        )

    def test_messages_without_order_share_a_request_and_have_no_session(self, place: Queue) -> None:
        publish_to(endpoint_of(place), *range(20))
        run_drain()
        assert Attempt.objects.values("started_at").distinct().count() == 1
        assert {it.key for it in place.received()} == {None}

    def test_application_of_entra_id_sends_with_one_token(self, place: Queue) -> None:
        before = len(place.server.tokens)
        endpoint = endpoint_of(place, as_application(place))
        for number in range(3):
            publish_to(endpoint, number)
            run_drain()
        assert len(place.received()) == 3
        assert len(place.server.tokens) == before + 1

    def test_token_that_is_rejected_is_requested_anew_within_the_attempt(self, place: Queue) -> None:
        endpoint = endpoint_of(place, as_application(place))
        publish_to(endpoint, 1)
        run_drain()
        place.server.tokens.update(dict.fromkeys(place.server.tokens, "revoked"))
        publish_to(endpoint, 2)
        run_drain()
        assert len(place.received()) == 2
        assert latest_attempt().error == ""

    @pytest.mark.parametrize(
        ("answer", "failure"),
        [
            (
                (403, b"<Detail>The size limit of the entity is reached, QuotaExceeded</Detail>"),
                "throttled",
            ),
            ((403, b"<Detail>The message is too large.</Detail>"), "too_large"),
            ((429, b"<Detail>SubCode=42901</Detail>"), "throttled"),
            ((503, b"<Detail>The server is busy.</Detail>"), "unavailable"),
            ((400, b"<Detail>A session is required.</Detail>"), "refused"),
        ],
    )
    def test_response_says_what_to_do(self, place: Queue, answer: tuple[int, bytes], failure: str) -> None:
        publish_to(endpoint_of(place), 1)
        place.server.answers.append(answer)
        run_drain()
        assert latest_attempt().error == failure
        assert answer[1] in bytes(latest_attempt().response or b"")


def found_by_test(settings: dict[str, Any], credentials: dict[str, str]) -> str:
    kind, connection = checked_connection("azure_service_bus", Connection("", 1, {}), settings, credentials)
    return kind.test(connection)


def test_key_that_may_only_send_is_accepted_by_the_test_of_settings(server: AzureServer) -> None:
    queue = Queue(server)
    found = found_by_test({**queue.settings, "key_name": "send"}, {"access_key": POLICIES["send"][0]})
    assert found == "The credentials are accepted. They do not allow to see whether the queue or topic exists."
    assert found_by_test(*as_application(queue)) == found


def test_wrong_client_secret_is_found_by_the_test_of_settings(server: AzureServer) -> None:
    settings, _ = as_application(Queue(server))
    with pytest.raises(DestinationUnavailable) as caught:
        found_by_test(settings, {"client_secret": "wrong"})
    assert caught.value.setting == "credentials.client_secret"


GIVEN = {"namespace_url": "https://shop.servicebus.windows.net", "entity": "orders"}
KEY = {"access_key": "k"}


def client(**settings: Any) -> ServiceBusClient:
    given = {**GIVEN, "tier": STANDARD, "key_name": "send", **settings}
    found = find_kind("azure_service_bus").client(Connection("ep_1", 1, given, KEY))  # type: ignore[attr-defined]
    assert isinstance(found, ServiceBusClient)
    return found


def message(body: bytes = b"{}", key: str | None = None) -> Message:
    return Message("evt_1", body, "application/json", True, key, 1, "v1,x")


@pytest.mark.parametrize(("key", "expected"), [(None, None), ("", "default"), ("a" * 128, "a" * 128)])
def test_session_follows_from_the_order_key(key: str | None, expected: str | None) -> None:
    request = client().compose([message(key=key)], 1_700_000_000, "")
    assert orjson.loads(request.body)[0]["BrokerProperties"].get("SessionId") == expected


def test_premium_tier_accepts_larger_messages() -> None:
    body = b"x" * MAX_BYTES[STANDARD]
    with pytest.raises(SendFailed, match="this tier accepts 262144"):
        client().size_of(message(body))
    assert client(tier=PREMIUM).size_of(message(body))


def test_signature_ends_an_hour_later_and_is_for_the_entity() -> None:
    text = client().compose([message()], 1_700_000_000, "").headers["authorization"]
    assert text.startswith("SharedAccessSignature sr=https%3A%2F%2Fshop.servicebus.windows.net%2Forders&sig=")
    assert text.endswith("&se=1700003600&skn=send")


def test_failure_without_a_response_is_that_of_the_connection() -> None:
    outcome = Outcome(1.0, 5, None, Failure.RESET)
    assert client().verdicts(outcome, [message()]) == [outcome]


@pytest.mark.parametrize(
    ("given", "credentials", "field"),
    [
        ({"key_name": "send"}, {}, "credentials.access_key"),
        ({}, KEY, "settings.key_name"),
        ({}, {}, "credentials.access_key"),
        ({"entity": "a//b", "key_name": "send"}, KEY, "settings.entity"),
        ({"namespace_url": "sb://shop.servicebus.windows.net", "key_name": "send"}, KEY, "settings.namespace_url"),
        ({"client_id": "a", "tenant_id": DIRECTORY}, {}, "credentials.client_secret"),
        ({"client_id": "a", "tenant_id": "a/b"}, {"client_secret": "s"}, "settings.tenant_id"),
        (
            {"client_id": "a", "tenant_id": "t", "key_name": "s"},
            {**KEY, "client_secret": "s"},
            "credentials.access_key",
        ),
    ],
)
def test_settings_that_cannot_work_are_named(given: dict[str, str], credentials: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("azure_service_bus", Connection("", 1, {}), {**GIVEN, **given}, credentials)
    assert [*caught.value.problems] == [field]
