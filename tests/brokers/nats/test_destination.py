"""Test deliveries to JetStream: what every kind promises, duplicates, permissions, and a server that dies."""

import re
from typing import Any
from uuid import uuid4

import pytest
from nats.js.api import DiscardPolicy
from nats.js.errors import NotFoundError

from delivery.models import Attempt
from delivery.transports.outcome import Failure
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from subscriptions.errors import InvalidParts
from tests.brokers.nats.conftest import Vendor
from tests.brokers.nats.server import PASSWORD, SEED, USER, WRITER, NatsServer
from tests.brokers.restart import check_restart
from tests.delivery.destinations.battery import (
    SECRET,
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
from webhooks.wire.signing.standard_webhooks import verify


class Stream(Place):
    """A stream with the subjects below its name."""

    stores_repeats_once = True

    def __init__(self, server: NatsServer, **config: Any) -> None:
        self.server = server
        self.stream = f"OUT{uuid4().hex[:8]}"
        self.call(lambda api: api.add_stream(name=self.stream, subjects=[f"{self.stream}.>"], **config))
        settings = {
            "host": f"127.0.0.1:{server.port}",
            "tls": False,
            "username": USER,
            "subject": f"{self.stream}.<$.type>",
        }
        super().__init__("nats", settings, {"password": PASSWORD}, (PASSWORD,), too_large=900_000)

    def call(self, make: Any) -> Any:
        vendor = Vendor(self.server.port)
        try:
            return vendor.run(make(vendor.api))
        finally:
            vendor.close()

    def messages(self) -> list[Any]:
        """Return the messages of the stream."""
        return list(self.call(self._all))

    async def _all(self, api: Any) -> list[Any]:
        state = (await api.stream_info(self.stream)).state
        found = []
        for number in range(state.first_seq or 1, state.last_seq + 1):
            try:
                found.append(await api.get_msg(self.stream, number))
            except NotFoundError:
                continue
        return found

    def received(self) -> list[Received]:
        return [Received(it.data or b"", {k.lower(): v for k, v in it.headers.items()}) for it in self.messages()]

    def elsewhere(self) -> "Stream":
        return Stream(self.server)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {"password": "wrong"}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "subject": "missing.orders"}, self.credentials

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "host": f"127.0.0.1:{port}"}, self.credentials

    def with_settings(self, **changes: Any) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, **changes}, self.credentials


@pytest.fixture
def place(nats_server: NatsServer) -> Stream:
    return Stream(nats_server, max_msg_size=500_000)


class TestNats(Battery):
    """Run what every kind promises."""


@pytest.mark.django_db(transaction=True)
class TestStreams:
    def test_message_has_the_id_of_endpoint_and_event_and_the_subject_of_the_event(self, place: Stream) -> None:
        one, two = endpoint_of(place), endpoint_of(place)
        (event_id,) = publish_to(one, 1)
        publish_to(two, 2)
        run_drain()
        first, second = sorted(place.messages(), key=lambda it: it.data.endswith(b"2}"))
        assert first.headers["Nats-Msg-Id"] == f"{one.public_id}.{event_id}"
        assert first.subject == second.subject == f"{place.stream}.order.created"
        response = bytes(latest_attempt().response or b"").decode()
        assert re.fullmatch(rf"stream {place.stream}, sequence \d+", response)

    def test_binary_mode_has_the_data_as_payload_and_attributes_as_headers(self, place: Stream) -> None:
        publish_to(endpoint_of(place, place.with_settings(content_mode="binary")), {"n": 1}, subject="Zoë")
        run_drain()
        (it,) = place.received()
        assert (it.body, it.attributes["content-type"]) == (b'{"n":1}', "application/json")
        assert (it.attributes["ce-type"], it.attributes["ce-subject"]) == ("order.created", "Zo%C3%AB")
        verify([SECRET], it.attributes, it.body, now=float(it.attributes["webhook-timestamp"]))

    def test_event_that_makes_no_subject_is_refused(self, place: Stream) -> None:
        endpoint = endpoint_of(place, place.with_settings(subject=f"{place.stream}.<$.data.to>"))
        publish_to(endpoint, {"to": "a b"}, {"to": ">"}, {"to": "a..b"}, {}, {"to": "ok"})
        run_drain()
        assert sorted(Attempt.objects.values_list("error", flat=True)) == ["", *[Failure.REFUSED] * 4]
        assert [it.subject for it in place.messages()] == [f"{place.stream}.ok"]

    def test_subject_of_no_stream_fails_for_its_messages_alone(self, place: Stream) -> None:
        endpoint = endpoint_of(place, place.with_settings(subject="<$.data>.x"))
        publish_to(endpoint, place.stream, "unknown", place.stream)
        run_drain()
        failed = Attempt.objects.exclude(error="").get()
        assert failed.error == Failure.NOT_FOUND
        assert b"No stream has the subject unknown.x, which settings.subject names." in bytes(failed.response or b"")
        assert len(place.messages()) == 2

    def test_expected_stream_that_is_another_is_not_found(self, place: Stream, nats_server: NatsServer) -> None:
        other = Stream(nats_server)
        publish_to(endpoint_of(place, place.with_settings(stream=other.stream)), 1)
        run_drain()
        assert latest_attempt().error == Failure.NOT_FOUND
        assert place.messages() == other.messages() == []

    def test_full_stream_throttles(self, nats_server: NatsServer) -> None:
        place = Stream(nats_server, max_msgs=2, discard=DiscardPolicy.NEW)
        publish_to(endpoint_of(place), 1, 2, 3)
        run_drain()
        assert Failure.THROTTLED in Attempt.objects.values_list("error", flat=True)
        assert len(place.messages()) == 2

    def test_user_who_may_only_publish_is_accepted_and_denied_elsewhere(self, place: Stream) -> None:
        allowed = place.with_settings(username=WRITER, subject=f"{place.stream}.allowed")
        publish_to(endpoint_of(place, allowed, skip_test=False), 1)
        publish_to(endpoint_of(place, place.with_settings(username=WRITER, subject=f"{place.stream}.other")), 2)
        run_drain()
        assert sorted(Attempt.objects.values_list("error", flat=True)) == ["", Failure.ACCESS_DENIED]
        failed = Attempt.objects.exclude(error="").get()
        assert failed.duration_ms < 5_000

    def test_nkey_signs_in(self, place: Stream) -> None:
        settings = {name: it for name, it in place.settings.items() if name != "username"}
        publish_to(endpoint_of(place, (settings, {"nkey_seed": SEED}), skip_test=False), 1)
        run_drain()
        assert len(place.messages()) == 1

    def test_missing_subject_is_named_by_the_test_of_settings(self, place: Stream) -> None:
        with pytest.raises(InvalidParts) as caught:
            endpoint_of(place, place.missing(), skip_test=False)
        assert caught.value.problems.keys() == {"settings.subject"}

    def test_server_that_dies_and_comes_back_loses_nothing_and_keeps_the_order(self, nats_server: NatsServer) -> None:
        check_restart(Stream(nats_server), nats_server.stop, nats_server.start)


@pytest.mark.parametrize(
    ("changes", "credentials", "setting"),
    [
        ({"host": "a:b:c"}, {}, "settings.host"),
        ({"subject": "orders.*"}, {}, "settings.subject"),
        ({"subject": "<$.data[>"}, {}, "settings.subject"),
        ({"stream": "a.b"}, {}, "settings.stream"),
        ({"username": "u"}, {}, "credentials.password"),
        ({}, {"token": "t", "nkey_seed": "s"}, "credentials.nkey_seed"),
    ],
)
def test_bad_settings_are_found_without_connecting(
    changes: dict[str, Any], credentials: dict[str, str], setting: str
) -> None:
    given = {"host": "nats.example.com", "subject": "orders.paid", **changes}
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("nats", Connection("", 1, {}), given, credentials)
    assert setting in caught.value.problems
