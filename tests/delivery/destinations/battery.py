"""Run what every kind of destination promises: one class of tests for the file of each kind, on a real server.

    class TestSqs(Battery):
        @pytest.fixture
        def place(self, ...) -> Place: ...

A ``Place`` is the one adapter that a kind writes: settings that work, settings that do not, and what was received.
"""

import base64
import logging
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import orjson
import pytest
from django.utils import timezone

from delivery import notify
from delivery.models import Attempt, DeadLetter, Delivery, Event, Lane
from delivery.publishing.publisher import publish
from delivery.reading.requests.sent_request import sent_request
from delivery.replaying.replays import run_slices
from delivery.sending.drain import deliver_due
from delivery.single_attempts.test_delivery import send_test
from delivery.transports.outcome import Failure
from subscriptions.endpoints.endpoints import change_endpoint, create_endpoint
from subscriptions.errors import InvalidParts
from subscriptions.models import Endpoint
from tests.factories import make_client, make_subscription, make_tenant
from webhooks.wire.ids import public
from webhooks.wire.signing.standard_webhooks import verify

SECRET = "whsec_" + "A" * 43 + "="
MAIN = "main"


@dataclass
class Received:
    """One message as a consumer of the destination sees it; ``attributes`` in lower case, empty if it has none."""

    body: bytes
    attributes: dict[str, str] = field(default_factory=dict)
    key: str | None = None  # group, partition or key, if the destination has them


@dataclass
class Place:
    """Where the tests of a kind write to.

    ``unreachable``: settings that name a closed port; None: the kind has no address to name. ``hung``: a function of
    a port where a server accepts and says nothing. Each is (settings, credentials).
    """

    kind: str
    settings: dict[str, Any]
    credentials: dict[str, str] = field(default_factory=dict)
    secret_texts: Sequence[str] = ()

    has_attributes = True  # whether messages carry the headers of Standard Webhooks
    stores_repeats_once = False
    is_ordered = True
    shown_at: str = ""  # the beginning of the URL that is shown; empty: that of the address
    too_large: int | None = None  # bytes of an event's data that can never be sent

    def received(self) -> list[Received]:
        """Return every message that was stored, in order."""
        raise NotImplementedError

    def elsewhere(self) -> "Place":
        """Return a second, empty place with other settings."""
        raise NotImplementedError

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return settings whose credentials are not accepted."""
        raise NotImplementedError

    def missing(self) -> tuple[dict[str, Any], dict[str, str]] | None:
        """Return settings of a queue or table that does not exist; None: it is created by the first message."""
        raise NotImplementedError

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the settings with another port of this machine."""
        raise NotImplementedError


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow destinations on this machine, and send nothing to the broker."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


@pytest.fixture
def hung_port() -> Iterator[int]:
    """Return a port of a server that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    accepted.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    for connection in accepted:
        connection.close()


def endpoint_of(place: Place, given: tuple[dict[str, Any], dict[str, str]] | None = None, **fields: Any) -> Endpoint:
    """Create an endpoint of the place, or with other settings, that gets every event."""
    settings, credentials = given or (place.settings, place.credentials)
    fields = {"retry_plan": [60, 60], "timeout_ms": 10_000, "skip_test": True, **fields}
    endpoint, _ = create_endpoint(
        make_tenant(),
        kind=place.kind,
        settings=settings,
        credentials=credentials,
        secret=SECRET,
        **fields,
    )
    return make_subscription(endpoint).endpoint


def with_decoded(body: bytes) -> bytes:
    """Return a body, and what is in base64 in it."""
    encoded = re.findall(rb"[A-Za-z0-9+/]{16,}={0,2}", body)
    return body + b"".join(base64.b64decode(it + b"=" * (-len(it) % 4)) for it in encoded if len(it) % 4 != 1)


def publish_to(endpoint: Endpoint, *datas: Any, **attributes: Any) -> list[str]:
    """Publish one event for each of these data; return their ids as messages have them."""
    results = publish(endpoint.tenant, [{"type": "order.created", "data": data, **attributes} for data in datas])
    return [public("evt", it.key) for it in results if it.key]


def run_drain(**options: Any) -> int:
    """Deliver what is due; with more patience if a busy machine found nothing in a short time."""
    given = {"seconds": 60.0, "stopping": lambda: False, **options}
    return deliver_due(**{"idle_timeout": 0.05, **given}) or deliver_due(**{"idle_timeout": 1.0, **given})


def make_due(endpoint: Endpoint) -> None:
    """Make every delivery of the endpoint that is not delivered due, as after its wait."""
    Delivery.objects.filter(endpoint=endpoint, state="pending").update(next_attempt_at=timezone.now())
    Lane.objects.filter(endpoint=endpoint).update(due_at=timezone.now(), low_water_mark=None)


def latest_attempt() -> Attempt:
    return Attempt.objects.latest("started_at")


@pytest.mark.django_db(transaction=True)
class Battery:
    """Run what a kind promises. The subclass has a fixture ``place``."""

    def test_settings_that_work_are_found_by_the_test(self, place: Place) -> None:
        fields = {"type": place.kind, "settings": place.settings, "credentials": place.credentials}
        response = make_client(make_tenant()).post("/api/v1/endpoints/", fields, format="json")
        assert response.status_code == 201, response.json()
        assert response.json()["type"] == place.kind

    def test_published_events_arrive_once_with_id_body_and_signature(self, place: Place) -> None:
        endpoint = endpoint_of(place)
        ids = publish_to(endpoint, *({"n": n} for n in range(25)))
        run_drain()
        assert {*Delivery.objects.values_list("state", flat=True)} == {"delivered"}
        received = place.received()
        assert sorted(orjson.loads(it.body)["data"]["n"] for it in received) == [*range(25)]
        bodies = {public("evt", it.pk): bytes(it.body) for it in Event.objects.all()}
        if place.has_attributes:
            assert sorted(it.attributes["webhook-id"] for it in received) == sorted(ids)
            for it in received:
                assert it.body == bodies[it.attributes["webhook-id"]]
                verify([SECRET], it.attributes, it.body, now=float(it.attributes["webhook-timestamp"]))
        else:
            assert sorted(it.body for it in received) == sorted(bodies.values())
        assert Attempt.objects.count() == 25

    def test_repeat_is_byte_identical(self, place: Place) -> None:
        endpoint = endpoint_of(place)
        publish_to(endpoint, {"n": 1})
        run_drain()
        Delivery.objects.update(state="pending", next_attempt_at=timezone.now())
        make_due(endpoint)
        run_drain()
        received = place.received()
        assert len(received) == (1 if place.stores_repeats_once else 2)
        assert len({it.body for it in received}) == 1
        if place.has_attributes:
            assert len({it.attributes["webhook-id"] for it in received}) == 1
        assert Attempt.objects.filter(error="").count() == 2

    def test_wrong_credentials_are_denied_and_the_endpoint_counts_as_alive(self, place: Place) -> None:
        endpoint = endpoint_of(place, place.denied())
        publish_to(endpoint, 1)
        run_drain()
        assert latest_attempt().error == Failure.ACCESS_DENIED
        assert Delivery.objects.get().state == "pending"
        assert Lane.objects.get(endpoint=endpoint).failures == 0

    def test_wrong_credentials_are_found_by_the_test_of_settings(self, place: Place) -> None:
        settings, credentials = place.denied()
        with pytest.raises(InvalidParts) as caught:
            create_endpoint(make_tenant(), kind=place.kind, settings=settings, credentials=credentials)
        assert caught.value.field in ("credentials", "settings")

    def test_missing_place_is_not_found(self, place: Place) -> None:
        if (missing := place.missing()) is None:
            return
        endpoint = endpoint_of(place, missing)
        publish_to(endpoint, 1)
        run_drain()
        assert latest_attempt().error == Failure.NOT_FOUND
        with pytest.raises(InvalidParts):
            create_endpoint(make_tenant(), kind=place.kind, settings=missing[0], credentials=missing[1])

    def test_closed_port_is_a_failed_connection(self, place: Place) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        endpoint = endpoint_of(place, place.at_port(port))
        publish_to(endpoint, 1)
        run_drain()
        assert latest_attempt().error in (Failure.CONNECT, Failure.RESET)

    def test_closed_port_is_found_by_the_test_of_settings(self, place: Place) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        settings, credentials = place.at_port(port)
        with pytest.raises(InvalidParts) as caught:
            create_endpoint(make_tenant(), kind=place.kind, settings=settings, credentials=credentials)
        assert "Errno" not in str(caught.value)
        assert '. Give "skip_test"' in str(caught.value)

    def test_hung_server_ends_the_attempt_by_its_timeout(self, place: Place, hung_port: int) -> None:
        endpoint = endpoint_of(place, place.at_port(hung_port), timeout_ms=1_000)
        publish_to(endpoint, 1)
        run_drain()
        attempt = latest_attempt()
        assert attempt.error == Failure.TIMEOUT
        assert attempt.duration_ms >= 1_000

    def test_forbidden_address_is_not_connected_to(self, place: Place, settings: Any, hung_port: int) -> None:
        endpoint = endpoint_of(place, place.at_port(hung_port))
        settings.WAYPOST_ALLOW_NETWORKS = []
        publish_to(endpoint, 1)
        run_drain()
        assert latest_attempt().error == Failure.FORBIDDEN

    def test_too_large_event_is_rejected_without_being_sent(self, place: Place) -> None:
        if place.too_large is None:
            return
        endpoint = endpoint_of(place)
        publish_to(endpoint, "x" * place.too_large, "small")
        run_drain()
        errors = sorted(Attempt.objects.values_list("error", flat=True))
        assert errors == ["", Failure.TOO_LARGE]
        assert Lane.objects.get(endpoint=endpoint).failures == 0

    def test_settings_changed_between_two_events_take_the_second_elsewhere(self, place: Place) -> None:
        endpoint = endpoint_of(place)
        publish_to(endpoint, "first")
        run_drain()
        other = place.elsewhere()
        change_endpoint(
            endpoint, {"settings": other.settings, "credentials": dict(other.credentials), "skip_test": True}
        )
        publish_to(endpoint, "second")
        run_drain()
        assert [orjson.loads(it.body)["data"] for it in place.received()] == ["first"]
        assert [orjson.loads(it.body)["data"] for it in other.received()] == ["second"]

    def test_ordered_events_of_a_key_arrive_in_order(self, place: Place) -> None:
        endpoint = endpoint_of(place, ordering="subject")
        for n in range(4):
            publish_to(endpoint, {"n": n}, subject="a")
            publish_to(endpoint, {"n": n}, subject="b")
        run_drain()
        for subject in "ab":
            documents = [orjson.loads(it.body) for it in place.received()]
            assert [it["data"]["n"] for it in documents if it["subject"] == subject] == [0, 1, 2, 3]

    def test_dead_letter_of_a_failing_place_is_replayed_once_it_works(self, place: Place) -> None:
        endpoint = endpoint_of(place, place.denied(), retry_plan=[])
        publish_to(endpoint, {"n": 1})
        run_drain()
        assert DeadLetter.objects.get().last_error == Failure.ACCESS_DENIED
        credentials = {**dict.fromkeys(place.denied()[1]), **place.credentials}  # those without a value are removed
        change_endpoint(endpoint, {"settings": place.settings, "credentials": credentials, "skip_test": True})
        client = make_client(endpoint.tenant)
        replayed = client.post("/api/v1/replays/", {"filter": {"endpoint": endpoint.public_id}}, format="json")
        assert replayed.status_code in (201, 202), replayed.json()
        run_slices()
        run_drain()
        assert Delivery.objects.get().state == "delivered"

    def test_test_delivery_arrives_and_is_not_recorded(self, place: Place) -> None:
        endpoint = endpoint_of(place)
        result = send_test(endpoint, data={"n": 7})
        assert result.delivered, result.outcome
        assert [orjson.loads(it.body)["data"] for it in place.received()] == [{"n": 7}]
        assert not Attempt.objects.exists()

    def test_sent_request_and_dry_run_show_the_message_in_the_terms_of_the_kind(self, place: Place) -> None:
        endpoint = endpoint_of(place)
        publish_to(endpoint, {"name": "Seven"})
        run_drain()
        delivery = Delivery.objects.select_related("event", "endpoint__destination").get()
        shown = sent_request(delivery, Attempt.objects.get())
        assert shown is not None
        assert shown.method
        assert shown.url.startswith(place.shown_at or endpoint.address[:20])
        assert b"Seven" in with_decoded(shown.body)
        dry = send_test(endpoint, data={"n": 8}, dry_run=True)
        assert not dry.is_sent
        assert len(place.received()) == 1
        for text in place.secret_texts:
            assert text not in f"{shown.headers}{shown.curl}{dry.headers}{shown.url}"

    def test_credentials_are_in_no_response_page_or_log(
        self, place: Place, admin_client: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        endpoint = endpoint_of(place)
        publish_to(endpoint, 1)
        run_drain()
        client = make_client(endpoint.tenant)
        delivery = Delivery.objects.get().public_id
        texts = [
            client.get(path).content.decode()
            for path in (
                f"/api/v1/endpoints/{endpoint.public_id}/",
                "/api/v1/endpoints/",
                f"/api/v1/deliveries/{delivery}/",
                f"/api/v1/deliveries/{delivery}/attempts/",
            )
        ]
        texts += [
            admin_client.get(path).content.decode()
            for path in ("/admin/subscriptions/endpoint/", f"/admin/subscriptions/endpoint/{endpoint.pk}/change/")
        ]
        texts += [caplog.text, repr(endpoint), repr(endpoint.destination), str(endpoint)]
        for secret in place.secret_texts:
            assert not any(secret in text for text in texts)
        assert endpoint.address in texts[0]
        assert endpoint.address[:40] in unescape(texts[4])
