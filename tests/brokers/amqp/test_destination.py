"""Test deliveries to RabbitMQ: what every kind promises, confirmations, returns, and a broker that dies or is full."""

from typing import Any
from uuid import uuid4

import orjson
import pytest

from delivery.models import Attempt, Lane
from delivery.transports.outcome import Failure
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from subscriptions.errors import InvalidParts
from tests.brokers.amqp.server import PASSWORD, USER, VIRTUAL_HOST, RabbitMq
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


class Queue(Place):
    """A queue, named as the routing key of the default exchange."""

    def __init__(self, rabbitmq: RabbitMq, **arguments: Any) -> None:
        self.rabbitmq = rabbitmq
        self.queue = f"orders-{uuid4().hex[:8]}"
        connection = rabbitmq.connect()
        connection.channel().queue_declare(self.queue, durable=True, auto_delete=False, arguments=arguments)
        connection.close()
        settings = {
            "host": f"127.0.0.1:{rabbitmq.port}",
            "tls": False,
            "virtual_host": VIRTUAL_HOST,
            "username": USER,
            "routing_key": self.queue,
        }
        super().__init__("amqp", settings, {"password": PASSWORD}, (PASSWORD,))

    def messages(self) -> list[Any]:
        """Return the messages of the queue, which stay there."""
        connection = self.rabbitmq.connect()
        channel = connection.channel()
        found = list(iter(lambda: channel.basic_get(self.queue), None))
        channel.close()
        connection.close()
        return found

    def received(self) -> list[Received]:
        return [
            Received(
                it.body.encode() if isinstance(it.body, str) else bytes(it.body),
                {**it.application_headers, "content-type": it.properties.get("content_type")},
            )
            for it in self.messages()
        ]

    def elsewhere(self) -> "Queue":
        return Queue(self.rabbitmq)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {"password": "wrong"}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "routing_key": "missing"}, self.credentials

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "host": f"127.0.0.1:{port}"}, self.credentials

    def with_settings(self, **changes: Any) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, **changes}, self.credentials


@pytest.fixture
def place(rabbitmq: RabbitMq) -> Queue:
    return Queue(rabbitmq)


@pytest.fixture
def topics(rabbitmq: RabbitMq, place: Queue) -> str:
    """Return a topic exchange, of which the queue gets orders.#."""
    connection = rabbitmq.connect()
    channel, name = connection.channel(), f"events-{uuid4().hex[:8]}"
    channel.exchange_declare(name, "topic", durable=True, auto_delete=False)
    channel.queue_bind(place.queue, name, "orders.#")
    connection.close()
    return name


class TestAmqp(Battery):
    """Run what every kind promises."""


def responses() -> list[str]:
    return [bytes(it.response or b"").decode() for it in Attempt.objects.order_by("started_at")]


@pytest.mark.django_db(transaction=True)
class TestExchanges:
    def test_message_has_properties_and_is_persistent(self, place: Queue) -> None:
        (event_id,) = publish_to(endpoint_of(place), {"n": 1})
        run_drain()
        (message,) = place.messages()
        names = ("message_id", "type", "delivery_mode", "content_type", "app_id")
        assert [message.properties.get(it) for it in names] == [
            event_id,
            "order.created",
            2,
            "application/cloudevents+json",
            "waypost",
        ]
        assert responses() == ["confirmed"]

    def test_binary_mode_has_the_data_as_body_and_attributes_as_headers(self, place: Queue) -> None:
        endpoint = endpoint_of(place, place.with_settings(content_mode="binary"))
        publish_to(endpoint, {"n": 1}, subject="Zoë")
        run_drain()
        (it,) = place.received()
        assert (it.body, it.attributes["content-type"]) == (b'{"n":1}', "application/json")
        assert (it.attributes["cloudEvents_type"], it.attributes["cloudEvents_subject"]) == ("order.created", "Zoë")
        verify([SECRET], it.attributes, it.body, now=float(it.attributes["webhook-timestamp"]))

    def test_exchange_and_routing_key_follow_from_the_event(self, place: Queue, topics: str) -> None:
        settings = place.with_settings(exchange="<$.data.to>", routing_key="orders.<$.data.country>")
        endpoint = endpoint_of(place, settings)
        publish_to(endpoint, {"to": topics, "country": "se"}, {"to": topics})
        run_drain()
        assert [it.delivery_info["routing_key"] for it in place.messages()] == ["orders.se"]
        failed = Attempt.objects.exclude(error="").get()
        assert failed.error == Failure.REFUSED
        assert "settings.routing_key" in bytes(failed.response or b"").decode()
        assert Lane.objects.get(endpoint=endpoint).failures == 0

    def test_message_that_no_queue_gets_fails_alone_and_is_dropped_without_mandatory(
        self, place: Queue, topics: str
    ) -> None:
        settings = {"exchange": topics, "routing_key": "<$.data>"}
        publish_to(endpoint_of(place, place.with_settings(**settings)), "orders.a", "bills.a", "orders.b")
        run_drain()
        failed = Attempt.objects.exclude(error="").get()
        assert failed.error == Failure.NOT_FOUND
        assert bytes(failed.response or b"").decode().endswith("with the routing key bills.a.")
        assert len(place.messages()) == 2
        publish_to(endpoint_of(place, place.with_settings(**settings, mandatory=False)), "bills.b")
        run_drain()
        assert latest_attempt().error == ""

    def test_missing_exchange_fails_for_its_messages_alone(self, place: Queue, topics: str) -> None:
        endpoint = endpoint_of(place, place.with_settings(exchange="<$.data>", routing_key="orders.x"))
        publish_to(endpoint, topics, "missing", topics, "missing", topics)
        run_drain()
        errors = Attempt.objects.values_list("error", flat=True)
        assert sorted(errors) == ["", "", "", Failure.NOT_FOUND, Failure.NOT_FOUND]
        assert {orjson.loads(it.body)["data"] for it in place.received()} == {topics}

    def test_missing_exchange_is_found_by_the_test_of_settings(self, place: Queue) -> None:
        with pytest.raises(InvalidParts) as caught:
            endpoint_of(place, place.with_settings(exchange="missing"), skip_test=False)
        assert caught.value.problems.keys() == {"settings.exchange"}

    def test_full_queue_throttles(self, rabbitmq: RabbitMq) -> None:
        place = Queue(rabbitmq, **{"x-max-length": 2, "x-overflow": "reject-publish"})
        endpoint = endpoint_of(place, max_in_flight=1)
        publish_to(endpoint, 1, 2, 3, 4)
        run_drain()
        assert Failure.THROTTLED in Attempt.objects.values_list("error", flat=True)
        assert len(place.messages()) == 2

    def test_user_without_permission_is_denied(self, rabbitmq: RabbitMq, place: Queue) -> None:
        publish_to(endpoint_of(place, place.with_settings(username="outsider")), 1)
        run_drain()
        assert latest_attempt().error == Failure.ACCESS_DENIED

    def test_tls_checks_the_certificate(self, rabbitmq: RabbitMq, place: Queue, settings: Any) -> None:
        settings.WAYPOST_ALLOW_NETWORKS = ["127.0.0.0/8", "::1/128"]
        given, credentials = place.with_settings(host=f"localhost:{rabbitmq.tls_port}", tls=True)
        with pytest.raises(InvalidParts):
            endpoint_of(place, (given, credentials), skip_test=False)
        trusted = {**credentials, "ca_certificate": rabbitmq.authority.pem}
        publish_to(endpoint_of(place, (given, trusted), skip_test=False), 1)
        run_drain()
        assert len(place.messages()) == 1

    def test_broker_that_dies_and_comes_back_loses_nothing_and_keeps_the_order(self, rabbitmq: RabbitMq) -> None:
        check_restart(Queue(rabbitmq), rabbitmq.stop, rabbitmq.start)


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"host": "a:b:c"}, "settings.host"),
        ({"username": None}, "settings.username"),
        ({"routing_key": "<$.data[>"}, "settings.routing_key"),
        ({"exchange": "$.data.*"}, "settings.exchange"),
    ],
)
def test_bad_settings_are_found_without_connecting(changes: dict[str, Any], setting: str) -> None:
    given = {"host": "rabbitmq.example.com", "username": "u", "routing_key": "orders", **changes}
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("amqp", Connection("", 1, {}), given, {"password": "p"})
    assert setting in caught.value.problems
