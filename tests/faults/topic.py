"""Receive deliveries at a topic of Kafka beside the HTTP endpoints, and check its records after a fault.

The cluster is librdkafka's mock cluster, in this process. It keeps 5 MB of a partition, so that the records of a fault
are read from where the topic ended before it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaError, TopicPartition
from standardwebhooks import Webhook, WebhookVerificationError

from tests.faults.publisher import PublishLog, is_costly
from tests.webhooks.sources.kinds.kafka.mock_cluster import MockCluster
from webhooks.wire.signing.keys import new_secret

STATES = """SELECT v.event_id, d.state FROM delivery_event v
  JOIN subscriptions_endpoint ep ON ep.uid = 'topic'
  LEFT JOIN delivery_delivery d ON d.event_id = v.id AND d.endpoint_id = ep.id
 WHERE v.event_id LIKE '{name}-%' AND v.type = 'fault.injected'"""
READ_SECONDS = 60.0  # for one record, which is there


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """One record: ids of message and event, the key by which it is ordered, a digest, whether its signature holds."""

    message_id: str
    event_id: str
    key: bytes | None
    digest: str
    verified: bool


@dataclass
class Topic:
    """A topic, and the secret that its records are signed with."""

    cluster: MockCluster = field(default_factory=MockCluster)
    secret: str = field(default_factory=new_secret)
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.cluster.topic()

    @property
    def endpoint(self) -> dict[str, Any]:
        """Return the fields of an endpoint that writes to it, one event of a subject after the other.

        It gets no events that a worker routes: those of its keys would have to wait for them.
        """
        settings = {"bootstrap_servers": self.cluster.servers, "topic": self.name, "tls": False}
        return {"uid": "topic", "type": "kafka", "settings": settings, "secret": self.secret, "ordering": "subject"}

    def ends(self) -> dict[int, int]:
        """Return the offset behind the last record of each partition."""
        with closing(self._consumer()) as consumer:
            partitions = consumer.list_topics(self.name, timeout=READ_SECONDS).topics[self.name].partitions
            places = [TopicPartition(self.name, it) for it in partitions]
            return {it.partition: consumer.get_watermark_offsets(it, timeout=READ_SECONDS)[1] for it in places}

    def records(self, since: Mapping[int, int]) -> list[TopicRecord]:
        """Return the records from these offsets, of one partition after the other."""
        with closing(self._consumer()) as consumer:
            consumer.assign([TopicPartition(self.name, *it) for it in since.items()])
            left, found = set(since), []
            while left:
                message = consumer.poll(READ_SECONDS)
                assert message is not None, "a record is missing"
                if message.error() is None:
                    found.append(message)
                else:
                    assert message.error().code() == KafkaError._PARTITION_EOF
                    left.discard(message.partition())
        return [self._record(it) for it in sorted(found, key=lambda it: (it.partition(), it.offset()))]

    def _consumer(self) -> Consumer:
        options = {"group.id": "faults", "enable.partition.eof": True, "log_level": 0}
        return Consumer({"bootstrap.servers": self.cluster.servers, **options})

    def _record(self, message: Any) -> TopicRecord:
        headers, value = {name: it.decode() for name, it in message.headers()}, message.value()
        try:
            Webhook(self.secret).verify(value, headers)
        except WebhookVerificationError:
            verified = False
        else:
            verified = True
        event_id = orjson.loads(value)["id"]
        return TopicRecord(headers["webhook-id"], event_id, message.key(), sha256(value).hexdigest(), verified)


def check_topic(
    log: PublishLog,
    records: list[TopicRecord],
    states: Mapping[str, str | None],
    copies_allowed: int,
    *,
    is_ordered: bool = True,
) -> Iterator[str]:
    """Yield what violates a guarantee: nothing lost, copies few and byte-identical, order kept where promised.

    ``states``: of the delivery of each stored event. ``is_ordered``: whether ids grow with time, as they do unless the
    clock is set back.
    """
    received = Counter(it.event_id for it in records)
    for event_id, message_id in log.accepted.items():
        if not received[event_id] and not is_costly(event_id):
            yield f"topic: lost {event_id}, {message_id}: {states.get(event_id)}"
    yield from (f"topic: not delivered: {it}, {state}" for it, state in states.items() if state != "delivered")
    digests: dict[str, set[str]] = defaultdict(set)
    for it in records:
        digests[it.message_id].add(it.digest)
        if not it.verified:
            yield f"topic: invalid signature: {it}"
        if it.event_id in log.rejected:
            yield f"topic: received but not accepted: {it}"
    yield from (f"topic: copies with different bytes: {key}" for key, found in digests.items() if len(found) > 1)
    copies = sum(count - 1 for count in received.values())
    if copies > copies_allowed:
        yield f"topic: {copies} copies, where this fault can cause {copies_allowed}"
    if is_ordered:
        yield from _order(records)


def _order(records: list[TopicRecord]) -> Iterator[str]:
    """Check that the first copies of the records of a key are in the order in which their events were accepted."""
    by_key: dict[bytes | None, list[str]] = defaultdict(list)
    for it in records:
        if it.key is not None and it.message_id not in by_key[it.key]:
            by_key[it.key].append(it.message_id)
    for key, ids in by_key.items():
        yield from (
            f"topic: key {key!r}: {later} before {it}" for it, later in zip(ids[1:], ids, strict=False) if later > it
        )
