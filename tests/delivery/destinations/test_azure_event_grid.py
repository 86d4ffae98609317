"""Topics of Azure Event Grid, on a server that checks keys and tokens."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import orjson
import pytest

from delivery.destinations.azure_event_grid import MAX_BYTES, EventGridClient
from delivery.models import Attempt
from delivery.transports.message import Message
from delivery.transports.outcome import Failure
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from tests.delivery.destinations.azure_server import (
    CLIENT,
    CLIENT_SECRET,
    DIRECTORY,
    SAS_TOKEN,
    TOPIC_KEY,
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


class Topic(Place):
    has_attributes = False

    def __init__(self, server: AzureServer) -> None:
        self.server, self.path = server, f"/events/t{next(_numbers)}"
        server.topics[self.path] = []
        super().__init__(
            "azure_event_grid", {"topic_url": f"{server.url}{self.path}"}, {"access_key": TOPIC_KEY}, (TOPIC_KEY,)
        )

    def received(self) -> list[Received]:
        """Return the events; the bytes of each are between the brackets and commas of its request."""
        requests = [it.body for it in self.server.requests if it.path == self.path and it.body != b"[]"]
        events = [it for body in requests for it in orjson.loads(body)]
        written = [orjson.loads(it) for it in self.server.topics[self.path]]
        assert all(it in events for it in written)
        return [Received(raw) for raw in self._raw(requests)] if written else []

    def _raw(self, requests: list[bytes]) -> Iterator[bytes]:
        for body in requests:
            yield from (it for it in _split(body))

    def elsewhere(self) -> "Topic":
        return Topic(self.server)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {"access_key": "wrong"}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]]:
        return {"topic_url": f"{self.server.url}/events/not-there"}, self.credentials

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {"topic_url": f"http://127.0.0.1:{port}{self.path}"}, self.credentials


def _split(body: bytes) -> list[bytes]:
    """Return the texts of the items of an array of objects, byte for byte."""
    items, depth, start, in_string, escaped = [], 0, 0, False, False
    for place, byte in enumerate(body):
        if in_string:
            escaped, in_string = (byte == 0x5C and not escaped), not (byte == 0x22 and not escaped)
        elif byte == 0x22:
            in_string = True
        elif byte == 0x7B:
            start, depth = (place if depth == 0 else start), depth + 1
        elif byte == 0x7D:
            depth -= 1
            if depth == 0:
                items.append(body[start : place + 1])
    return items


@pytest.fixture(scope="module")
def server() -> Iterator[AzureServer]:
    with azure_server() as it:
        yield it


class TestEventGrid(Battery):
    """Run what every kind promises."""

    @pytest.fixture
    def place(self, server: AzureServer) -> Topic:
        return Topic(server)

    def test_events_that_are_due_together_are_one_array(self, place: Topic) -> None:
        publish_to(endpoint_of(place), *range(30))
        run_drain()
        assert Attempt.objects.values("started_at").distinct().count() == 1
        assert len(place.received()) == 30

    def test_sas_token_is_sent_in_its_header(self, place: Topic) -> None:
        publish_to(endpoint_of(place, (place.settings, {"sas_token": SAS_TOKEN})), 1)
        run_drain()
        assert len(place.received()) == 1
        assert place.server.requests[-1].headers["aeg-sas-token"] == SAS_TOKEN

    def test_application_of_entra_id_sends_with_a_token(self, place: Topic) -> None:
        settings = {"authority_url": f"{place.server.url}/login", "tenant_id": DIRECTORY, "client_id": CLIENT}
        given = ({**place.settings, **settings}, {"client_secret": CLIENT_SECRET})
        publish_to(endpoint_of(place, given), 1)
        run_drain()
        assert len(place.received()) == 1

    @pytest.mark.parametrize(
        ("status", "failure"), [(413, "too_large"), (429, "throttled"), (403, "access_denied"), (500, "unavailable")]
    )
    def test_status_says_what_to_do(self, place: Topic, status: int, failure: str) -> None:
        publish_to(endpoint_of(place), 1)
        place.server.answers.append((status, {"error": {"code": "x"}}))
        run_drain()
        assert latest_attempt().error == failure


URL = "https://orders.westeurope-1.eventgrid.azure.net/api/events"
KEY = {"access_key": "k"}


def client(url: str = URL) -> EventGridClient:
    return EventGridClient(Connection("ep_1", 1, {"topic_url": url}, KEY))


def message(body: bytes, *, is_event: bool = True) -> Message:
    return Message("evt_1", body, "application/json", is_event, None, 1, "v1,x")


def test_version_of_the_api_is_in_the_url_unless_it_is_given() -> None:
    assert client().compose([message(b"{}")], 1, "").url == f"{URL}?api-version=2018-01-01"
    assert (
        client(f"{URL}?api-version=2023-11-01").compose([message(b"{}")], 1, "").url == f"{URL}?api-version=2023-11-01"
    )


def test_rendered_body_that_is_no_event_is_refused() -> None:
    event = b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'
    assert client().size_of(message(event, is_event=False))
    with pytest.raises(SendFailed, match="must be a CloudEvent") as caught:
        client().size_of(message(b'{"a": 1}', is_event=False))
    assert caught.value.failure is Failure.REFUSED


def test_event_beyond_the_limit_is_too_large() -> None:
    with pytest.raises(SendFailed, match="Event Grid accepts") as caught:
        client().size_of(message(b" " * (MAX_BYTES + 1)))
    assert caught.value.failure is Failure.TOO_LARGE


@pytest.mark.parametrize(
    ("url", "credentials", "field"),
    [
        (URL, {}, "credentials.access_key"),
        (URL, {**KEY, "sas_token": "r=1"}, "credentials.sas_token"),
        (URL, {"sas_token": "r=1 2"}, "credentials.sas_token"),
        ("orders", KEY, "settings.topic_url"),
    ],
)
def test_settings_that_cannot_work_are_named(url: str, credentials: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("azure_event_grid", Connection("", 1, {}), {"topic_url": url}, credentials)
    assert [*caught.value.problems] == [field]
