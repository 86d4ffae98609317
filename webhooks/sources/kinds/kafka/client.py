"""Connect to the topic of a source, and find offsets."""

import time
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from webhooks.outgoing.brokers.kafka_cluster import REQUEST_SECONDS, TOPIC, KafkaCluster
from webhooks.outgoing.brokers.unavailable import BrokerUnavailable
from webhooks.sources.kinds.kind import Connection, SourceUnavailable
from webhooks.sources.kinds.unavailable import source_unavailable

__all__ = ["MIB", "TOPIC", "Cluster", "Watermarks", "group_of"]

GRACE_SECONDS = 2.0  # for librdkafka to connect again by itself, as after a change of the leader
MIB = 1024 * 1024

Watermarks = tuple[int, int]  # the first offset that exists, the next that will be written


class Cluster(KafkaCluster[Consumer]):
    """A connection to the topic of a source. Methods raise SourceUnavailable.

    Belongs to the process and the thread that made it. Close it.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, Consumer, _options(connection))
        self.consumer = self.client

    def failed(self, problem: BrokerUnavailable) -> SourceUnavailable:
        """Return the exception to raise."""
        return source_unavailable(problem)

    def close(self) -> None:
        """Close the connection."""
        self.consumer.close()

    def watermarks(self, partition: int) -> Watermarks:
        """Return the first offset of a partition and the next to be written."""
        place = TopicPartition(self.topic, partition)
        try:
            found = self.consumer.get_watermark_offsets(place, timeout=REQUEST_SECONDS)
        except KafkaException as error:
            raise self.unavailable(error.args[0]) from error
        if found is None:
            raise self.unavailable(KafkaError(KafkaError._TIMED_OUT))
        return found[0], found[1]

    def offsets_at(self, partitions: list[int], milliseconds: int) -> dict[int, int]:
        """Return the offset of the first record at or after a time; the next to be written if there is none."""
        places = [TopicPartition(self.topic, it, milliseconds) for it in partitions]
        try:
            found = self.consumer.offsets_for_times(places, timeout=REQUEST_SECONDS)
        except KafkaException as error:
            raise self.unavailable(error.args[0]) from error
        return {it.partition: it.offset if it.offset >= 0 else self.watermarks(it.partition)[1] for it in found}

    def check_error(self) -> None:
        """Raise what the library has reported since the last success, if it holds on: if no broker responds now."""
        self.raise_fatal()
        if self._error is not None and time.monotonic() - self._error_at >= GRACE_SECONDS:
            self.metadata(GRACE_SECONDS)


def group_of(connection: Connection) -> str:
    """Return the consumer group to which offsets are committed."""
    return connection.settings.get("group") or f"waypost-{connection.source}"


def _options(connection: Connection) -> dict[str, Any]:
    return {
        "group.id": group_of(connection),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "isolation.level": connection.settings["isolation"],
        "fetch.max.bytes": 8 * MIB,
        "max.partition.fetch.bytes": 8 * MIB,
        "queued.max.messages.kbytes": 16 * 1024,
    }
