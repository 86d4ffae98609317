"""Test the sink of requests with many messages with requests as the product makes them."""

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import orjson
import pytest

from benchmarks.wire.programs import BatchSink
from delivery.destinations.sqs import SqsClient
from delivery.transports.message import Message
from delivery.transports.outcome import Outcome
from subscriptions.endpoints.destinations.kind import Connection
from tests.processes import start

DUES = [1_700_000_000_000_000_000 + number for number in range(3)]


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchSink]:
    made = BatchSink(tmp_path_factory.mktemp("sink"), start, name="messages")
    yield made
    made.close()


def messages() -> list[Message]:
    bodies = [orjson.dumps({"specversion": "1.0", "data": {"due": str(due), "text": "x" * 40_000}}) for due in DUES]
    return [Message(f"evt_{n}", body, "application/json", True, None, 1, "v1,x") for n, body in enumerate(bodies)]


def posted(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        for _ in range(2):  # kept open between two
            connection.request("POST", parts.path, body, headers)
            response = connection.getresponse()
            found = response.status, response.read()
    finally:
        connection.close()
    return found


def test_every_event_of_an_array_is_an_arrival(sink: BatchSink) -> None:
    since = sink.count
    status, _ = posted(sink.url(7), b"[" + b",".join(it.body for it in messages()) + b"]", {})
    assert status == 200
    assert [(it.lane, it.due) for it in sink.arrivals(since)] == [(7, due) for due in DUES] * 2


def test_every_message_for_a_queue_is_an_arrival_and_is_stored(sink: BatchSink) -> None:
    since = sink.count
    settings = {"queue_url": sink.queue_url(12), "region": "eu-central-1"}
    client = SqsClient(Connection("ep_1", 1, settings, {"access_key_id": "AKIA", "secret_access_key": "s"}))
    request = client.compose(messages(), 1_700_000_000, "")
    status, body = posted(request.url, request.body, dict(request.headers))
    assert all(it.delivered for it in client.verdicts(Outcome(1.0, 5, status, None, body), messages()))
    assert [(it.lane, it.due) for it in sink.arrivals(since)] == [(12, due) for due in DUES] * 2
