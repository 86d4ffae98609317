"""Deliver to brokers and to a consumer that pulls: from publishing events to what the other side has acknowledged.

Kafka is a mock cluster in the process of the benchmark. RabbitMQ is a real one, with durable queues and publisher
confirms, where it can be had. The consumer is a thread of the benchmark. What these do is no part of what is measured.
"""

import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from benchmarks.bench import BATCH, Bench, all_have_status, counted, event_types
from benchmarks.result import Result
from benchmarks.wire.consumer import PullingConsumer
from benchmarks.wire.kafka_cluster import KafkaCluster
from tests.brokers.amqp.server import PASSWORD, USER, VIRTUAL_HOST, RabbitMq, absence

TOPIC = QUEUE = PULLED = "orders"


def kafka(bench: Bench) -> Result:
    """Publish events of one type to an endpoint that writes to a topic with four partitions."""
    cluster = KafkaCluster(TOPIC)
    consumer = Consumer({"bootstrap.servers": cluster.servers, "group.id": "count"})

    def stored() -> int:
        partitions = [TopicPartition(TOPIC, it) for it in cluster.partitions]
        return sum((consumer.get_watermark_offsets(it, timeout=30) or (0, 0))[1] for it in partitions)

    try:
        types = _create(bench, {"type": "kafka", "settings": cluster.settings})
        return _measure(bench, types, stored)
    finally:
        consumer.close()


def amqp(bench: Bench) -> Result:
    """Publish events of one type to an endpoint that publishes to a durable queue of RabbitMQ."""
    if missing := absence():
        return Result(0, notes=[f"not measured: {missing}"])
    broker = RabbitMq(bench.new_directory())
    broker.start()
    try:
        connection = broker.connect()
        channel = connection.channel()
        channel.queue_declare(QUEUE, durable=True, auto_delete=False)
        settings = {"host": f"127.0.0.1:{broker.port}", "tls": False, "virtual_host": VIRTUAL_HOST, "username": USER}
        endpoint = {
            "type": "amqp",
            "settings": {**settings, "routing_key": QUEUE},
            "credentials": {"password": PASSWORD},
        }
        types = _create(bench, endpoint)
        return _measure(bench, types, lambda: int(channel.queue_declare(QUEUE, passive=True).message_count))
    finally:
        broker.end()


def poll(bench: Bench) -> Result:
    """Publish events of one type to a pulled endpoint, whose messages one consumer fetches and acknowledges."""
    types = _create(bench, {"uid": PULLED, "type": "poll", "settings": {}})
    with PullingConsumer(bench.deployment.port, bench.deployment.api_key, PULLED) as consumer:
        return _measure(bench, types, lambda: consumer.fetched)


def _create(bench: Bench, endpoint: dict[str, Any]) -> list[str]:
    """Create an endpoint that gets events of one type; return the type."""
    types = event_types(1)
    fields = {"credentials": {}, "max_in_flight": 500, **endpoint, "subscriptions": [{"event_types": types}]}
    bench.deployment.create("endpoints/", fields)
    return types


def _measure(bench: Bench, types: list[str], stored: Callable[[], int]) -> Result:
    count = bench.size(10_000, 40_000)
    bench.send(bench.singles(types))
    bench.await_settled()
    since = stored()
    with bench.meter() as meter:
        began = time.monotonic()
        responses = bench.send(bench.batches(types), count // BATCH)
        bench.await_settled()
        seconds = time.monotonic() - began
    checks = [all_have_status(responses), counted("every event arrived once", stored() - since, count)]
    return Result(count, count / seconds, None, meter.cost, checks, "deliveries")
