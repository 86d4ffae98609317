"""Run the commands of the guide about Kafka against the API and a mock cluster."""

from typing import Any

import pytest

from delivery.models import Event
from tests.factories import make_key, make_tenant
from tests.webhooks.sources.kinds.guides import Guide
from tests.webhooks.sources.kinds.kafka.mock_cluster import MockCluster
from tests.webhooks.sources.kinds.reading import make_due, read_once, read_until
from webhooks.models import Receipt
from webhooks.processing.process import process_due
from webhooks.sources.snapshot import clear_snapshots

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reading")]


def test_guide_of_kafka_reads_a_topic_publishes_frauds_and_seeks(
    kafka: MockCluster, topic: str, live_server: Any
) -> None:
    replaced = {
        '"broker-1.example.com:9094,broker-2.example.com:9094"': f'"{kafka.servers}", "tls": false',
        '"topic": "orders"': f'"topic": "{topic}"',
        ',\n    "sasl_mechanism": "SCRAM-SHA-512",\n    "username": "waypost"': "",
        '{"password": "correct horse battery staple"}': "{}",
    }
    guide = Guide("read-kafka", f"{live_server.url}/api/v1", make_key(make_tenant())[1], replaced)
    kafka.send(topic, b'{"type": "order.paid", "data": {"n": 1}}')
    found = guide.run(0)
    assert found["message"] == f"Topic {topic} has 4 partitions, and 1 offset."
    assert guide.run(1)["kind"] == "kafka"
    read_until(1)
    process_due()
    assert [event.type for event in Event.objects.all()] == ["order.paid"]
    guide.run(2)
    clear_snapshots()
    kafka.send(topic, b'{"result": "FRAUD_CARD"}', b'{"result": "OK"}')
    read_until(3)
    process_due()
    assert [event.type for event in Event.objects.order_by("id")] == ["order.paid", f"kafka-connect-{topic}"]
    (moved,) = guide.run(3)["data"]
    assert moved["position"] == {"offset": 0}
    make_due()
    assert (read_once(0.5), Receipt.objects.count()) == (3, 3)
