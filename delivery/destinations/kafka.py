"""Write to topics of Apache Kafka: an idempotent producer, many records at once, acknowledged by all replicas in sync.

librdkafka tries a record again by itself, without doubles and without changing the order. What it has not acknowledged
when the time of the attempts is over is given up with the producer; the next attempt writes another record with the
same ``webhook-id``. The partition follows from the key as in Java's clients (murmur2).

CloudEvents: Kafka protocol binding 1.0.2, sections 3.2 (binary) and 3.3 (structured).
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from delivery.transports.content_modes import CONTENT_MODE, content_of
from delivery.transports.message import Message
from delivery.transports.message_texts import InvalidText, compile_text
from delivery.transports.outcome import Failure
from delivery.transports.sockets.brokers import broker_failed
from delivery.transports.sockets.kind import SendFailed, Sent, ShownMessage, SocketKind, tried
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings, Setting
from webhooks.outgoing.brokers.kafka_cluster import TOPIC, KafkaCluster, reason_of
from webhooks.outgoing.brokers.kafka_settings import SECURITY, connection_problems
from webhooks.outgoing.brokers.unavailable import BrokerUnavailable

PREFIX = "ce_"  # of headers with attributes of an event
SLICE = 0.5  # seconds after which errors of the connection are looked at
LONGEST_ATTEMPT = 60_000  # milliseconds; attempts end earlier by their own timeout
HEADERS_ROOM = 8 * 1024  # bytes of key and headers beside a value of the largest size
ENDING = (Failure.TIMEOUT, Failure.UNAVAILABLE)  # failures after which a producer is not used again
SHARED = (Failure.TOO_LARGE, Failure.REFUSED)  # failures of all records of a request, if the brokers refuse one
COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")


class Kafka(SocketKind):
    """Topics of Apache Kafka."""

    name = "kafka"
    label = "Apache Kafka"
    description = (
        "An event becomes a record of a topic, as the CloudEvents binding for Kafka says. At least once, in order per "
        "key: a repeat is another record with the same `webhook-id`."
    )
    settings = (
        Setting(
            "bootstrap_servers",
            "Bootstrap servers",
            "Brokers to begin with, host:port, separated by commas. The others are found from these.",
            is_required=True,
            example="broker-1.example.com:9094,broker-2.example.com:9094",
        ),
        Setting("topic", "Topic", "Topic to write to.", is_required=True, max_length=249, example="orders"),
        Setting(
            "key",
            "Key",
            "Path of the value that is the key of a record, or a text with paths between < and >. Default: the "
            "attribute partitionkey, else the key by which the endpoint orders; without either a record has no key.",
            max_length=1024,
            example="$.data.customer.id",
        ),
        CONTENT_MODE,
        Setting(
            "max_message_bytes",
            "Largest message",
            "Bytes of the largest value that the topic accepts (`max.message.bytes`). Larger events are rejected.",
            type="number",
            default=1_000_000,
            minimum=1_000,
            maximum=64 * 1024 * 1024,
        ),
        Setting("compression", "Compression", "How batches are compressed.", default="none", choices=COMPRESSIONS),
        *SECURITY,
    )
    modules = ("confluent_kafka",)
    extra = "kafka"
    max_entries = 500
    max_bytes = 4 * 1024 * 1024

    def check(self, connection: Connection) -> None:
        problems = connection_problems(connection)
        try:
            compile_text(connection.settings.get("key", ""))
        except InvalidText as error:
            problems["settings.key"] = str(error)
        if problems:
            raise InvalidSettings(problems)

    def address(self, settings: Mapping[str, Any]) -> str:
        servers = ",".join(it.strip() for it in settings["bootstrap_servers"].split(",") if it.strip())
        return f"kafka://{servers}/{settings['topic']}"

    def test(self, connection: Connection) -> str:
        return tried(lambda: _tested(connection), "settings.bootstrap_servers")

    def check_message(self, connection: Connection, message: Message) -> None:
        most = connection.settings["max_message_bytes"]
        size = len(message.body)
        if size > most:
            text = f"The message has {size} bytes; settings.max_message_bytes allows {most}."
            raise SendFailed(Failure.TOO_LARGE, text)

    def preview(self, connection: Connection, message: Message, now: float) -> ShownMessage:
        headers, value = content_of(message, connection.settings["content_mode"], PREFIX)
        key = Keys(connection.settings).of(message)
        shown = headers if key is None else {"key": key, **headers}
        return ShownMessage("PRODUCE", self.address(connection.settings), shown, value)

    def connect(self, connection: Connection, timeout: float) -> "KafkaClient":
        return KafkaClient(connection, timeout)


def _tested(connection: Connection) -> str:
    with closing(Cluster(connection)) as cluster:
        count = len(cluster.metadata().partitions)
        return f"The topic {cluster.topic} has {count} partition{'' if count == 1 else 's'}."


class Keys:
    """Find the keys of records."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        template = settings.get("key")
        self._text = compile_text(template) if template else None

    def of(self, message: Message) -> str | None:
        """Return the key of a record; None: any partition."""
        if self._text is not None:
            return self._text.find(message)
        return message.event_attributes.get("partitionkey") or message.order_key


class Cluster(KafkaCluster[Producer]):
    """A connection to the topic of an endpoint. Methods raise SendFailed."""

    verb = "write"

    def __init__(self, connection: Connection) -> None:
        settings = connection.settings
        options = {
            "enable.idempotence": True,  # also acks=all, and retries
            "partitioner": "murmur2_random",
            "linger.ms": 50,  # flush() does not wait for it
            "message.max.bytes": settings["max_message_bytes"] + HEADERS_ROOM,
            "message.timeout.ms": LONGEST_ATTEMPT,
            "compression.type": settings["compression"],
            "queue.buffering.max.messages": 2 * Kafka.max_entries,
        }
        super().__init__(connection, Producer, options)

    def failed(self, problem: BrokerUnavailable) -> SendFailed:
        return broker_failed(problem)

    def close(self) -> None:
        """Give up what is not acknowledged, and close the connections."""
        self.client.purge()
        self.client.close()


class KafkaClient:
    """Hold the producer for one topic; a new one after messages were given up, whose order would be unknown."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._connection = connection
        self._keys = Keys(connection.settings)
        self._mode: str = connection.settings["content_mode"]
        self._cluster: Cluster | None = None
        self._open(timeout)

    def _open(self, timeout: float) -> Cluster:
        cluster = Cluster(self._connection)
        try:
            cluster.metadata(timeout)
        except BaseException:
            cluster.close()
            raise
        self._cluster = cluster
        return cluster

    def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Sent]:
        until = time.monotonic() + timeout
        cluster = self._cluster or self._open(timeout)
        cluster.check_brokers()
        results: list[Sent | None] = [None] * len(messages)
        self._send(cluster, messages, range(len(messages)), results, until)
        if len(messages) > 1:
            for number in [n for n, it in enumerate(results) if isinstance(it, SendFailed) and it.failure in SHARED]:
                self._send(cluster, messages, [number], results, until)
        if any(it is None or (isinstance(it, SendFailed) and it.failure in ENDING) for it in results):
            self.close()
        late = SendFailed(Failure.TIMEOUT, "The brokers have not acknowledged the record in time.")
        return [late if it is None else it for it in results]

    def _send(
        self,
        cluster: Cluster,
        messages: Sequence[Message],
        numbers: Iterable[int],
        results: list[Sent | None],
        until: float,
    ) -> None:
        """Write the messages of these numbers, and wait for their results; those without one stay None."""
        for number in numbers:
            results[number] = None
            self._produce(cluster, results, number, messages[number])
        self._await(cluster, until)

    def _produce(self, cluster: Cluster, results: list[Sent | None], number: int, message: Message) -> None:
        headers, value = content_of(message, self._mode, PREFIX)

        def on_delivery(error: KafkaError | None, record: Any) -> None:
            results[number] = _acknowledgement(record) if error is None else _failed(cluster, error)

        try:
            key = self._keys.of(message)
            pairs: list[tuple[str, str | bytes | None]] = [(name, text.encode()) for name, text in headers.items()]
            cluster.client.produce(cluster.topic, value, key, headers=pairs, on_delivery=on_delivery)
        except KafkaException as error:
            results[number] = _failed(cluster, error.args[0])

    def _await(self, cluster: Cluster, until: float) -> None:
        """Wait for the delivery reports until this moment; end earlier if no further try can help."""
        while (left := until - time.monotonic()) > 0:
            if cluster.client.flush(min(left, SLICE)) == 0:
                cluster.forget_error()
                return
            try:
                cluster.raise_fatal()
            except SendFailed:
                self.close()
                raise

    def close(self) -> None:
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close()


def _acknowledgement(record: Any) -> bytes:
    return f"partition {record.partition()}, offset {record.offset()}".encode()


_MEANINGS = {
    KafkaError.MSG_SIZE_TOO_LARGE: Failure.TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE: Failure.TOO_LARGE,
    KafkaError.INVALID_RECORD: Failure.REFUSED,
    KafkaError.POLICY_VIOLATION: Failure.REFUSED,
    KafkaError.INVALID_TIMESTAMP: Failure.REFUSED,
    KafkaError.THROTTLING_QUOTA_EXCEEDED: Failure.THROTTLED,
    KafkaError._MSG_TIMED_OUT: Failure.TIMEOUT,
    KafkaError._PURGE_QUEUE: Failure.TIMEOUT,
    KafkaError._PURGE_INFLIGHT: Failure.TIMEOUT,
}


def _failed(cluster: Cluster, error: KafkaError) -> SendFailed:
    """Return what the failure of one record means."""
    if error.code() in _MEANINGS:
        return SendFailed(_MEANINGS[error.code()], f"Kafka reports: {reason_of(error)}", setting=TOPIC)
    return broker_failed(cluster.problem(error))
