from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.brokers.kafka.server import KafkaServer
from tests.ports import free_port
from tests.webhooks.sources.kinds.reading import read_source
from webhooks.models import Source

_numbers = count(1)


class Client:
    """Create topics and write records."""

    def __init__(self, server: KafkaServer) -> None:
        self.server = server
        self.admin = AdminClient({"bootstrap.servers": server.servers, "log_level": 0})

    def topic(self, partitions: int = 1, **config: str) -> str:
        """Create a topic."""
        name = f"topic-{next(_numbers)}"
        self.create(name, partitions, **config)
        return name

    def create(self, name: str, partitions: int = 1, **config: str) -> None:
        new = NewTopic(name, partitions, 1, config={key.replace("_", "."): value for key, value in config.items()})
        self.admin.create_topics([new])[name].result(30)

    def producer(self, **config: Any) -> Producer:
        return Producer({"bootstrap.servers": self.server.servers, "log_level": 0, **config})

    def send(self, topic: str, *values: bytes | None, partition: int = 0, **options: Any) -> None:
        """Write records, and wait until they are there."""
        producer = self.producer()
        for value in values:
            producer.produce(topic, value, partition=partition, **options)
        assert producer.flush(60) == 0


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker for the whole session."""
    running = KafkaServer(tmp_path_factory.mktemp("kafka"), (free_port(), free_port(), free_port(), free_port()))
    yield running
    running.kill()


@pytest.fixture
def cluster(server: KafkaServer) -> Client:
    return Client(server)


def source_of(cluster: Client, topic: str, **settings: Any) -> Source:
    """Create a source that reads a topic from its beginning."""
    given = {"bootstrap_servers": cluster.server.servers, "topic": topic, "tls": False, "start": "earliest", **settings}
    return read_source("kafka", given, {})
