"""Cloudflare Queues, on a server with the documented REST API."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson
import pytest

from delivery.destinations.cloudflare_queue import MAX_BYTES, CloudflareQueueClient
from delivery.models import Attempt
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from subscriptions.endpoints.destinations.settings import run_test
from tests.delivery.destinations.api_server import ApiRequest, Response, api_server
from tests.delivery.destinations.battery import Battery, Place, Received, endpoint_of, publish_to, run_drain
from tests.delivery.destinations.battery import hung_port as hung_port
from tests.delivery.destinations.battery import loopback as loopback

ACCOUNT, TOKEN = "023e105f4ecef8ad9ca31a8372d0c353", "Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY"
_numbers = count(1)


@dataclass
class Cloudflare:
    """The queues of one account: bodies of messages, as a consumer that pulls them gets them."""

    url: str = ""
    queues: dict[str, list[bytes]] = field(default_factory=dict)

    def respond(self, request: ApiRequest) -> Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, _failed(10000, "Authentication error")
        parts = request.path.split("/")
        assert parts[1:4] == ["accounts", ACCOUNT, "queues"]
        if parts[4] not in self.queues:
            return 404, _failed(10104, "QueueNotFound")
        if request.method == "GET":
            result = {"queue_id": parts[4], "queue_name": "orders"}
            return 200, {"success": True, "errors": [], "messages": [], "result": result}
        assert parts[5:] == ["messages", "batch"]
        assert request.headers["content-type"] == "application/json"
        messages: list[dict[str, Any]] = json.loads(request.body)["messages"]
        if len(messages) > 100 or len(request.body) > 256_000:
            return 413, _failed(10251, "PayloadTooLarge")
        for it in messages:
            is_text = it["content_type"] == "text"
            assert is_text or it["content_type"] == "json"
            assert isinstance(it["body"], str) or not is_text
            self.queues[parts[4]].append(it["body"].encode() if is_text else orjson.dumps(it["body"]))
        return 200, {"success": True, "errors": [], "messages": []}


def _failed(code: int, text: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"code": code, "message": text}], "messages": [], "result": None}


@contextmanager
def cloudflare() -> Iterator[Cloudflare]:
    state = Cloudflare()
    with api_server(state.respond) as url:
        state.url = url
        yield state


class Queue(Place):
    has_attributes = False
    too_large = MAX_BYTES

    def __init__(self, server: Cloudflare, content_type: str = "text") -> None:
        self.server, self.queue = server, f"{next(_numbers):032x}"
        server.queues[self.queue] = []
        settings = {
            "account_id": ACCOUNT,
            "queue_id": self.queue,
            "endpoint_url": server.url,
            "content_type": content_type,
        }
        super().__init__("cloudflare_queue", settings, {"api_token": TOKEN}, (TOKEN,))

    def received(self) -> list[Received]:
        return [Received(it) for it in self.server.queues[self.queue]]

    def elsewhere(self) -> "Queue":
        return Queue(self.server)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {"api_token": "wrong"}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "queue_id": "f" * 32}, self.credentials

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "endpoint_url": f"http://127.0.0.1:{port}"}, self.credentials


@pytest.fixture(scope="module")
def server() -> Iterator[Cloudflare]:
    with cloudflare() as it:
        yield it


class TestCloudflareQueue(Battery):
    """Run what every kind promises."""

    @pytest.fixture
    def place(self, server: Cloudflare) -> Queue:
        return Queue(server)

    def test_messages_that_are_due_together_share_a_request(self, place: Queue) -> None:
        publish_to(endpoint_of(place), *range(30))
        run_drain()
        assert Attempt.objects.values("started_at").distinct().count() == 1
        assert len(place.received()) == 30

    def test_worker_gets_an_object(self, server: Cloudflare) -> None:
        queue = Queue(server, "json")
        publish_to(endpoint_of(queue), {"n": 1})
        run_drain()
        (received,) = queue.received()
        assert orjson.loads(received.body)["data"] == {"n": 1}


def test_token_that_the_api_repeats_is_in_no_error() -> None:
    with api_server(lambda request: (403, {"given": request.headers["authorization"]})) as url:
        settings = {"account_id": ACCOUNT, "queue_id": "a" * 32, "endpoint_url": url}
        kind, connection = checked_connection("cloudflare_queue", Connection("", 1, {}), settings, {"api_token": TOKEN})
        with pytest.raises(DestinationUnavailable, match=r"Bearer \*\*\*") as caught:
            run_test(kind, connection)
    assert TOKEN not in str(caught.value)


def client(content_type: str) -> CloudflareQueueClient:
    settings = {"account_id": ACCOUNT, "queue_id": "a" * 32, "content_type": content_type}
    return CloudflareQueueClient(Connection("ep_1", 1, settings, {"api_token": TOKEN}))


def message(body: bytes, *, is_event: bool = True) -> Message:
    return Message("evt_1", body, "application/json", is_event, None, 1, "v1,x")


def test_json_is_written_byte_for_byte_and_text_as_a_string() -> None:
    messages = [message(b'{"a": 1.50}'), message(b"paid", is_event=False), message(b"[1]", is_event=False)]
    assert client("json").compose(messages, 1, "").body == (
        b'{"messages":[{"content_type":"json","body":{"a": 1.50}},'
        b'{"content_type":"text","body":"paid"},{"content_type":"json","body":[1]}]}'
    )
    assert client("text").compose(messages[:1], 1, "").body == (
        b'{"messages":[{"content_type":"text","body":"{\\"a\\": 1.50}"}]}'
    )


@pytest.mark.parametrize(
    ("status", "document", "failure"),
    [
        (200, {"success": True}, None),
        (200, _failed(10104, "no"), Failure.NOT_FOUND),
        (200, _failed(1, "no"), Failure.REFUSED),
        (200, {}, Failure.PROTOCOL),
        (400, _failed(10106, "no"), Failure.ACCESS_DENIED),
        (400, {"errors": "no"}, Failure.REFUSED),
        (403, _failed(10000, "no"), Failure.ACCESS_DENIED),
        (429, _failed(10429, "no"), Failure.THROTTLED),
        (502, {}, Failure.UNAVAILABLE),
        (None, {}, Failure.RESET),
    ],
)
def test_response_says_what_to_do(status: int | None, document: dict[str, Any], failure: Failure | None) -> None:
    given = None if status == 200 else Failure.RESET if status is None else Failure.STATUS
    outcome = Outcome(1.0, 5, status, given, orjson.dumps(document))
    assert [it.failure for it in client("json").verdicts(outcome, [message(b"{}")] * 2)] == [failure] * 2


@pytest.mark.parametrize(
    ("given", "credentials", "field"),
    [
        ({"account_id": ACCOUNT, "queue_id": "orders"}, {"api_token": TOKEN}, "settings.queue_id"),
        ({"account_id": ACCOUNT, "queue_id": "a" * 32}, {"api_token": "a b"}, "credentials.api_token"),
        (
            {"account_id": ACCOUNT, "queue_id": "a" * 32, "endpoint_url": "api"},
            {"api_token": TOKEN},
            "settings.endpoint_url",
        ),
    ],
)
def test_settings_that_cannot_work_are_named(given: dict[str, str], credentials: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("cloudflare_queue", Connection("", 1, {}), given, credentials)
    assert [*caught.value.problems] == [field]
