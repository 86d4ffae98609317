"""Run a Kafka cluster: librdkafka's mock cluster, in this process, with real sockets and without storage."""

import logging
from typing import Any

from confluent_kafka import Producer

BROKERS = 2
PARTITIONS = 4  # of a topic; the cluster keeps 5 MB of each


class KafkaCluster:
    """A cluster with one topic. It ends with the last reference to it.

    `settings`: those of a source or an endpoint that uses it. `producer` writes to it.
    """

    def __init__(self, topic: str) -> None:
        """Start it with this topic."""
        options: dict[str, Any] = {"test.mock.num.brokers": BROKERS, "bootstrap.servers": "mock"}
        self.producer = Producer(options, logger=logging.getLogger("benchmarks.kafka"))
        found = self.producer.list_topics(topic, timeout=10)
        self.servers = ",".join(f"{it.host}:{it.port}" for it in found.brokers.values())
        self.partitions = list(found.topics[topic].partitions)
        self.settings = {"bootstrap_servers": self.servers, "topic": topic, "tls": False}
