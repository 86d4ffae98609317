"""Pull over real connections of the platform's web server: JSON, long polls and Server-Sent Events."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from config.web.application import WebApplication
from delivery.models import Attempt, Delivery
from delivery.pulling.waiting import waiters
from subscriptions.models import Endpoint
from tests.config.web.server import send, serving
from tests.delivery.pulling.factories import make_pulled, publish_orders
from tests.factories import client_with, make_endpoint, make_key, make_tenant
from tests.waiting import wait_until
from webhooks.wire.ids import public

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port(settings: Any) -> Iterator[int]:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    with serving(WebApplication()) as port:
        yield port


@pytest.fixture
def endpoint() -> Endpoint:
    return make_pulled()


@pytest.fixture
def key(endpoint: Endpoint) -> str:
    return make_key(endpoint.tenant, "consume", endpoint=endpoint)[1]


def path_of(endpoint: Endpoint, query: str = "") -> str:
    return f"/api/v1/endpoints/{endpoint.public_id}/messages/{query}"


def get(port: int, key: str, path: str, **headers: str) -> tuple[int, dict[str, str], Any]:
    status, found, body = send(port, "GET", path, headers={"Authorization": f"Bearer {key}", **headers})
    return status, found, json.loads(body)


def acknowledge(port: int, key: str, endpoint: Endpoint, *ids: str) -> Any:
    status, _, body = send(
        port,
        "POST",
        f"/api/v1/endpoints/{endpoint.public_id}/acknowledgements/",
        json.dumps({"acknowledged": ids}),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    assert status == 200
    return json.loads(body)["results"]


class Stream:
    """A stream of Server-Sent Events."""

    def __init__(self, port: int, key: str, path: str, **headers: str) -> None:
        self.line = HTTPConnection("127.0.0.1", port, timeout=60)
        given = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream", **headers}
        self.line.request("GET", path, headers=given)
        self.response: HTTPResponse = self.line.getresponse()

    def next_event(self) -> tuple[str, Any]:
        """Return id and data of the next event, without comments."""
        fields: dict[str, str] = {}
        while "data" not in fields or fields.pop("end", None) is None:
            line = self.response.readline()
            assert line, "the stream ended"
            if line == b"\n":
                fields["end"] = ""
            elif not line.startswith(b":"):
                name, _, value = line.decode().rstrip("\n").partition(": ")
                fields[name] = value
        return fields["id"], json.loads(fields["data"])

    def close(self) -> None:
        self.response.close()
        self.line.close()


def test_native_view_responds_like_django(port: int, endpoint: Endpoint, key: str) -> None:
    """The same errors, and the same members of a response; each hands out what is there."""
    sent, other = make_endpoint(endpoint.tenant), make_pulled()
    tenant_key = make_key(endpoint.tenant)[1]
    for given, path in (
        (key, path_of(endpoint)),
        (key, path_of(endpoint, "?limit=0")),
        (key, path_of(endpoint, "?wait=31")),
        (key, path_of(endpoint, "?after=x")),
        (key, path_of(endpoint, "?afer=x")),
        (key, path_of(other)),
        (key, path_of(sent)),
        (tenant_key, path_of(sent)),
        (tenant_key, path_of(endpoint, "?tenant=nobody")),
        (make_key(endpoint.tenant, "read")[1], path_of(endpoint)),
        ("wp_" + "A" * 43, path_of(endpoint)),
    ):
        status, headers, body = get(port, given, path)
        expected = client_with(given).get(path)
        assert (status, headers["content-type"]) == (expected.status_code, expected["Content-Type"]), path
        found = expected.json()
        cursors = [it.pop("cursor", None) for it in (body, found)]
        assert body == found
        assert [bool(it) for it in cursors] == [status == 200] * 2


def test_platform_key_pulls_for_the_tenant_that_it_names(port: int) -> None:
    endpoint = make_pulled(uid="main")
    publish_orders(endpoint)
    platform = make_key(None)[1]
    assert get(port, platform, "/api/v1/endpoints/main/messages/")[0] == 400
    status, _, body = get(
        port, platform, "/api/v1/endpoints/main/messages", **{"Waypost-Tenant": endpoint.tenant.public_id}
    )
    assert (status, len(body["messages"])) == (200, 1)
    assert get(port, make_key(make_tenant())[1], path_of(endpoint))[0] == 404


def test_long_poll_responds_as_soon_as_something_is_published(port: int, endpoint: Endpoint, key: str) -> None:
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as line:
        line.request("GET", path_of(endpoint, "?wait=30"), headers={"Authorization": f"Bearer {key}"})
        wait_until(lambda: waiters().waiting(), "the request to wait")
        (published,) = publish_orders(endpoint)
        (message,) = json.loads(line.getresponse().read())["messages"]
    assert message["id"] == public(Delivery.prefix, published)
    assert acknowledge(port, key, endpoint, message["id"]) == [{"id": message["id"], "result": "acknowledged"}]
    assert Delivery.objects.get().state == "delivered"


def test_long_poll_hands_out_a_retry_when_it_is_due(port: int, key: str, endpoint: Endpoint) -> None:
    Endpoint.objects.update(retry_plan=[1])
    publish_orders(endpoint)
    _, _, body = get(port, key, path_of(endpoint))
    path = f"/api/v1/endpoints/{endpoint.public_id}/acknowledgements/"
    client_with(key).post(path, {"failed": [{"id": body["messages"][0]["id"], "reason": "later"}]}, format="json")
    _, _, body = get(port, key, path_of(endpoint, "?wait=30"))
    assert [it["attempt"] for it in body["messages"]] == [2]


def test_long_poll_without_messages_ends_after_its_time(port: int, endpoint: Endpoint, key: str) -> None:
    began = time.monotonic()
    status, _, body = get(port, key, path_of(endpoint, "?wait=1"))
    assert (status, body["messages"]) == (200, [])
    assert time.monotonic() - began >= 1


def test_client_that_leaves_while_it_waits_takes_no_message(port: int, endpoint: Endpoint, key: str) -> None:
    with socket.create_connection(("127.0.0.1", port)) as wire:
        head = f"GET {path_of(endpoint, '?wait=30')} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n"
        wire.sendall(head.encode())
        wait_until(lambda: waiters().waiting(), "the request to wait")
    wait_until(lambda: not waiters().waiting(), "the wait to end with the client")
    publish_orders(endpoint)
    _, _, body = get(port, key, path_of(endpoint))
    assert len(body["messages"]) == 1


def test_stream_sends_messages_as_they_come_and_continues_after_an_interruption(
    port: int, endpoint: Endpoint, key: str
) -> None:
    published = [public(Delivery.prefix, it) for it in publish_orders(endpoint, 2)]
    with closing(Stream(port, key, path_of(endpoint))) as stream:
        assert stream.response.getheader("Content-Type") == "text/event-stream"
        first, data = stream.next_event()
        assert data["id"] == published[0]
        acknowledge(port, key, endpoint, data["id"])
        later = [public(Delivery.prefix, it) for it in publish_orders(endpoint, 1)]
        assert stream.next_event()[1]["id"] == published[1]
        assert stream.next_event()[1]["id"] == later[0]
    with closing(Stream(port, key, path_of(endpoint), **{"Last-Event-ID": first})) as stream:
        assert [stream.next_event()[1]["id"] for _ in range(2)] == [published[1], later[0]]
    assert Attempt.objects.count() == 1


def test_stream_of_one_message_at_a_time_goes_on_with_each_acknowledgement(port: int) -> None:
    endpoint = make_pulled(max_in_flight=1)
    key = make_key(endpoint.tenant)[1]
    published = [public(Delivery.prefix, it) for it in publish_orders(endpoint, 3)]
    with closing(Stream(port, key, path_of(endpoint))) as stream:
        for expected in published:
            assert stream.next_event()[1]["id"] == expected
            acknowledge(port, key, endpoint, expected)


def test_stream_of_an_unknown_position_is_refused(port: int, endpoint: Endpoint, key: str) -> None:
    with closing(Stream(port, key, path_of(endpoint), **{"Last-Event-ID": "7"})) as stream:
        assert stream.response.status == 400
        assert json.loads(stream.response.read())["errors"][0]["field"] == "Last-Event-ID"


def test_streams_end_when_the_server_stops(settings: Any, endpoint: Endpoint, key: str) -> None:
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    with serving(WebApplication(), is_forced=False) as port:
        stream = Stream(port, key, path_of(endpoint))
        assert stream.response.readline() == b"retry: 1000\n"
    with closing(stream):
        assert stream.response.read().replace(b": no messages\n\n", b"").strip() == b""
