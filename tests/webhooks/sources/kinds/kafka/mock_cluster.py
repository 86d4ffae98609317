"""Run librdkafka's mock cluster: brokers on real sockets in this process, with topics made by their first use."""

import logging
from itertools import count
from typing import Any

from confluent_kafka import Producer

PARTITIONS = 4  # of every topic of a mock cluster

_numbers = count(1)


class MockCluster:
    """A cluster, and a producer of it. ``servers``: its bootstrap servers."""

    def __init__(self) -> None:
        options: dict[str, Any] = {"test.mock.num.brokers": 2, "bootstrap.servers": "mock", "linger.ms": 0}
        self._producer = Producer(options, logger=logging.getLogger("tests.kafka"))
        brokers = self._producer.list_topics(timeout=10).brokers.values()
        self.servers = ",".join(f"{it.host}:{it.port}" for it in brokers)

    def topic(self) -> str:
        """Return the name of a new topic, which exists."""
        name = f"topic-{next(_numbers)}"
        self._producer.list_topics(name, timeout=10)
        return name

    def send(self, topic: str, *values: bytes | None, partition: int = 0, **options: Any) -> None:
        """Write records, and wait until they are there; options: key, headers, timestamp (milliseconds)."""
        failures: list[object] = []
        for value in values:
            while True:
                try:
                    self._producer.produce(
                        topic,
                        value,
                        partition=partition,
                        on_delivery=lambda error, _: failures.append(error) if error else None,
                        **options,
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)
        assert self._producer.flush(30) == 0
        assert failures == []
