"""Topics of librdkafka's mock cluster; tests/brokers/kafka runs the same on Apache Kafka."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from delivery.models import Attempt
from delivery.transports.outcome import Failure
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from tests.delivery.destinations.battery import SECRET, Battery, Place, Received, endpoint_of, publish_to, run_drain
from tests.delivery.destinations.battery import hung_port as hung_port
from tests.delivery.destinations.battery import loopback as loopback
from tests.delivery.destinations.denying_kafka import denying_kafka
from tests.webhooks.sources.kinds.kafka.mock_cluster import MockCluster
from webhooks.wire.signing.standard_webhooks import verify

PASSWORD = "p-Zeitgeist-99"


class Topic(Place):
    """A topic of a cluster without users, and a broker that accepts no user."""

    def __init__(self, cluster: Any, denying: int) -> None:
        self.cluster, self._denying = cluster, denying
        self.topic = cluster.topic()
        settings = {
            "bootstrap_servers": cluster.servers,
            "topic": self.topic,
            "tls": False,
            "max_message_bytes": 20_000,
        }
        super().__init__("kafka", settings, {}, (PASSWORD,), too_large=30_000)

    def received(self) -> list[Received]:
        return [
            Received(it.value(), {name: value.decode() for name, value in it.headers()}, _decoded(it.key()))
            for it in records(self.cluster.servers, self.topic)
        ]

    def elsewhere(self) -> "Topic":
        return Topic(self.cluster, self._denying)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        user = {"sasl_mechanism": "PLAIN", "username": "waypost"}
        return {**self.at_port(self._denying)[0], **user}, {"password": PASSWORD}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]] | None:
        return None  # the mock cluster creates topics

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "bootstrap_servers": f"127.0.0.1:{port}"}, self.credentials


def records(servers: str, topic: str) -> list[Any]:
    """Return the records of a topic, of one partition after the other."""
    options: dict[str, Any] = {"bootstrap.servers": servers, "group.id": "look", "fetch.wait.max.ms": 10}
    options["enable.partition.eof"] = True
    found: list[Any] = []
    with closing(Consumer({**options, "log_level": 0})) as consumer:
        partitions = sorted(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, it, 0) for it in partitions])
        left = set(partitions)
        while left:
            message = consumer.poll(30)
            assert message is not None
            if message.error() is None:
                found.append(message)
            else:
                assert message.error().code() == KafkaError._PARTITION_EOF
                left.discard(message.partition())
    return sorted(found, key=lambda it: (it.partition(), it.offset()))


def _decoded(key: bytes | None) -> str | None:
    return None if key is None else key.decode()


@pytest.fixture(scope="module")
def kafka() -> MockCluster:
    return MockCluster()


@pytest.fixture(scope="module")
def denying() -> Iterator[int]:
    with denying_kafka() as port:
        yield port


@pytest.fixture
def place(kafka: MockCluster, denying: int) -> Topic:
    return Topic(kafka, denying)


class TestKafka(Battery):
    """Run what every kind promises."""


@pytest.mark.django_db(transaction=True)
class TestRecords:
    def test_binary_mode_has_the_data_as_value_and_attributes_as_headers(self, place: Topic) -> None:
        endpoint = endpoint_of(place, ({**place.settings, "content_mode": "binary"}, {}))
        publish_to(endpoint, {"n": 1}, subject="Zoë", extensions={"partitionkey": "p7"})
        run_drain()
        (record,) = place.received()
        assert record.body == b'{"n":1}'
        assert record.key == "p7"
        assert record.attributes["content-type"] == "application/json"
        assert (record.attributes["ce_type"], record.attributes["ce_subject"]) == ("order.created", "Zoë")
        assert record.attributes["ce_specversion"] == "1.0"
        assert "ce_datacontenttype" not in record.attributes
        verify([SECRET], record.attributes, record.body, now=float(record.attributes["webhook-timestamp"]))

    def test_structured_mode_is_declared(self, place: Topic) -> None:
        publish_to(endpoint_of(place), {"n": 1})
        run_drain()
        assert place.received()[0].attributes["content-type"] == "application/cloudevents+json"

    def test_key_is_the_value_at_a_path_or_none(self, place: Topic) -> None:
        endpoint = endpoint_of(place, ({**place.settings, "key": "<$.type>-<$.data.customer[0].id>"}, {}))
        publish_to(endpoint, {"customer": [{"id": 1.50}]}, {"customer": []}, {"customer": [{"id": "ä"}]})
        run_drain()
        assert {it.key for it in place.received()} == {"order.created-1.5", None, "order.created-ä"}

    def test_events_of_one_key_share_a_partition_by_which_the_endpoint_orders(self, place: Topic) -> None:
        endpoint = endpoint_of(place, ordering="subject")
        for n in range(12):
            publish_to(endpoint, {"n": n}, subject=f"s{n % 3}")
        run_drain()
        found = records(place.cluster.servers, place.topic)
        assert {it.key() for it in found} == {b"s0", b"s1", b"s2"}
        for key in (b"s0", b"s1", b"s2"):
            mine = [it for it in found if it.key() == key]
            assert len({it.partition() for it in mine}) == 1
            assert [orjson.loads(it.value())["data"]["n"] // 3 for it in mine] == [0, 1, 2, 3]

    def test_many_events_share_few_requests_and_name_partition_and_offset(self, place: Topic) -> None:
        endpoint = endpoint_of(place)
        publish_to(endpoint, *range(200))
        run_drain()
        assert len(place.received()) == 200
        response = Attempt.objects.order_by("started_at")[0].response
        assert response is not None
        assert bytes(response).startswith(b"partition ")

    def test_password_is_refused_in_a_sentence_without_it(self, place: Topic) -> None:
        endpoint = endpoint_of(place, place.denied())
        publish_to(endpoint, 1)
        run_drain()
        attempt = Attempt.objects.get()
        assert attempt.error == Failure.ACCESS_DENIED
        assert b"refuse the credentials" in bytes(attempt.response or b"")
        assert PASSWORD.encode() not in bytes(attempt.response or b"")


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"bootstrap_servers": " , "}, "settings.bootstrap_servers"),
        ({"bootstrap_servers": "a:b:c"}, "settings.bootstrap_servers"),
        ({"topic": ".."}, "settings.topic"),
        ({"key": "$.data["}, "settings.key"),
        ({"key": "$.data.*"}, "settings.key"),
        ({"username": "u"}, "settings.sasl_mechanism"),
        ({"content_mode": "batch"}, "settings.content_mode"),
    ],
)
def test_bad_settings_are_found_without_connecting(changes: dict[str, Any], setting: str) -> None:
    given = {"bootstrap_servers": "kafka.example.com", "topic": "orders", **changes}
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("kafka", Connection("", 1, {}), given, {})
    assert setting in caught.value.problems


def test_connection_without_tls_needs_the_operators_consent(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP = False
    given = {"bootstrap_servers": "kafka.example.com", "topic": "orders", "tls": False}
    with pytest.raises(InvalidSettings, match="WAYPOST_ALLOW_HTTP"):
        checked_connection("kafka", Connection("", 1, {}), given, {})
