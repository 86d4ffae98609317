"""Test deliveries to Apache Kafka: what every kind promises, users, TLS, and a broker that dies or refuses."""

from typing import Any

import pytest

from delivery.models import Attempt, Lane
from delivery.transports.outcome import Failure
from subscriptions.errors import InvalidParts
from tests.brokers.kafka.conftest import Client
from tests.brokers.kafka.server import PASSWORD, USER, KafkaServer
from tests.brokers.restart import check_restart
from tests.delivery.destinations.battery import Battery, endpoint_of, latest_attempt, publish_to, run_drain
from tests.delivery.destinations.battery import hung_port as hung_port
from tests.delivery.destinations.battery import loopback as loopback
from tests.delivery.destinations.test_kafka import Topic
from webhooks.outgoing.brokers.kafka_cluster import KafkaCluster


class RealTopic(Topic):
    """A topic of a broker, at the listener that wants a user."""

    def __init__(self, client: Client, **config: str) -> None:
        self.client = client
        super().__init__(_Cluster(client, config), 0)
        user = {"bootstrap_servers": client.server.sasl_servers, "sasl_mechanism": "PLAIN", "username": USER}
        self.settings = {**self.settings, **user}
        self.credentials = {"password": PASSWORD}
        self.secret_texts = (PASSWORD,)

    def elsewhere(self) -> "RealTopic":
        return RealTopic(self.client)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {"password": "wrong"}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]] | None:
        return {**self.settings, "topic": "missing"}, self.credentials


class _Cluster:
    """Have the part of a mock cluster that its tests use."""

    def __init__(self, client: Client, config: dict[str, str]) -> None:
        self.servers = client.server.servers
        self._client, self._config = client, config

    def topic(self) -> str:
        return self._client.topic(4, **self._config)


@pytest.fixture
def place(cluster: Client) -> RealTopic:
    return RealTopic(cluster)


class TestKafka(Battery):
    """Run what every kind promises."""


@pytest.mark.django_db(transaction=True)
class TestBroker:
    def test_missing_topic_is_a_sentence_with_its_setting(self, place: RealTopic) -> None:
        settings, credentials = place.missing() or ({}, {})
        with pytest.raises(InvalidParts) as caught:
            endpoint_of(place, (settings, credentials), skip_test=False)
        assert caught.value.problems == {
            "settings.topic": "The cluster has no topic missing, or no such partition. "
            'Give "skip_test": true to store the settings all the same.'
        }

    def test_record_that_is_larger_than_the_topic_accepts_is_too_large(self, cluster: Client) -> None:
        place = RealTopic(cluster, max_message_bytes="2000")
        endpoint = endpoint_of(place)
        publish_to(endpoint, "x" * 3000)
        publish_to(endpoint, "y")
        run_drain()
        assert sorted(Attempt.objects.values_list("error", flat=True)) == ["", Failure.TOO_LARGE]
        assert Lane.objects.get(endpoint=endpoint).failures == 0

    def test_tls_presents_a_client_certificate(self, cluster: Client, place: RealTopic) -> None:
        issued = cluster.server.authority.issue("waypost")
        settings = {"bootstrap_servers": cluster.server.tls_servers, "topic": place.topic}
        credentials = {"client_certificate": issued.pem, "client_key": issued.key}
        trusted = {**credentials, "ca_certificate": cluster.server.authority.pem}
        publish_to(endpoint_of(place, (settings, trusted), skip_test=False), 1)
        run_drain()
        assert latest_attempt().error == ""
        with pytest.raises(InvalidParts):
            endpoint_of(place, (settings, credentials), skip_test=False)

    def test_broker_that_dies_and_comes_back_loses_nothing_and_keeps_the_order(
        self, server: KafkaServer, place: RealTopic
    ) -> None:
        check_restart(place, server.kill, server.start)

    def test_broker_that_hangs_ends_the_attempt_by_its_timeout(self, server: KafkaServer, place: RealTopic) -> None:
        endpoint = endpoint_of(place, timeout_ms=1_000)
        server.suspend()
        try:
            publish_to(endpoint, 1)
            run_drain()
            assert latest_attempt().error == Failure.TIMEOUT
        finally:
            server.resume()

    def test_broker_that_the_cluster_advertises_is_checked_before_anything_is_written(
        self, place: RealTopic, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checked = KafkaCluster._check_brokers

        def elsewhere(cluster: Any, brokers: Any) -> None:
            checked(cluster, {**brokers, "10.0.0.1": 9092})

        monkeypatch.setattr(KafkaCluster, "_check_brokers", elsewhere)
        publish_to(endpoint_of(place), 1)
        run_drain()
        assert latest_attempt().error == Failure.FORBIDDEN
        assert b"advertises the broker 10.0.0.1:9092" in bytes(latest_attempt().response or b"")
