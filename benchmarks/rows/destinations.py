"""Deliver to brokers: from publishing events to what the broker has acknowledged.

Kafka is a mock cluster in the process of the benchmark. RabbitMQ is a real one, with durable queues and publisher
confirms, where it can be had; its work is no part of what is measured.
"""

import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from benchmarks.bench import BATCH, Bench, all_have_status, counted, event_types
from benchmarks.result import Result
from benchmarks.wire.kafka_cluster import KafkaCluster
from tests.brokers.amqp.server import PASSWORD, USER, VIRTUAL_HOST, RabbitMq, absence

TOPIC = QUEUE = "orders"


def kafka(bench: Bench) -> Result:
    """Publish events of one type to an endpoint that writes to a topic with four partitions."""
    cluster = KafkaCluster(TOPIC)
    consumer = Consumer({"bootstrap.servers": cluster.servers, "group.id": "count"})

    def stored() -> int:
        partitions = [TopicPartition(TOPIC, it) for it in cluster.partitions]
        return sum((consumer.get_watermark_offsets(it, timeout=30) or (0, 0))[1] for it in partitions)

    try:
        return _measure(bench, {"type": "kafka", "settings": cluster.settings}, stored)
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
        return _measure(bench, endpoint, lambda: int(channel.queue_declare(QUEUE, passive=True).message_count))
    finally:
        broker.end()


def _measure(bench: Bench, endpoint: dict[str, Any], stored: Callable[[], int]) -> Result:
    types, count = event_types(1), bench.size(10_000, 40_000)
    fields = {"credentials": {}, "max_in_flight": 500, **endpoint, "subscriptions": [{"event_types": types}]}
    bench.deployment.create("endpoints/", fields)
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
