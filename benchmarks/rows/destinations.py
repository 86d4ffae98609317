"""Deliver to brokers: from publishing events to what the broker has acknowledged.

Kafka is librdkafka's mock cluster, in the process of the benchmark: real sockets, no storage. RabbitMQ is a real one,
with durable queues and publisher confirms, where it can be had; its work is no part of what is measured.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.bench import BATCH, Bench, all_have_status, event_types
from benchmarks.result import Check, Result
from tests.brokers.amqp.server import PASSWORD, USER, VIRTUAL_HOST, RabbitMq, absence

TOPIC = QUEUE = "orders"


def kafka(bench: Bench) -> Result:
    """Publish events of one type to an endpoint that writes to a topic with four partitions."""
    options: dict[str, Any] = {"test.mock.num.brokers": 2, "bootstrap.servers": "mock"}
    producer = Producer(options, logger=logging.getLogger("benchmarks.kafka"))
    found = producer.list_topics(TOPIC, timeout=10)
    servers = ",".join(f"{it.host}:{it.port}" for it in found.brokers.values())
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "count"})

    def stored() -> int:
        places = [TopicPartition(TOPIC, it) for it in found.topics[TOPIC].partitions]
        return sum((consumer.get_watermark_offsets(it, timeout=30) or (0, 0))[1] for it in places)

    try:
        settings = {"bootstrap_servers": servers, "topic": TOPIC, "tls": False}
        return _measure(bench, {"type": "kafka", "settings": settings}, stored)
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
    arrived = stored() - since
    checks = [
        all_have_status(responses),
        Check("every event arrived once", arrived == count, f"{arrived} of {count}"),
    ]
    return Result(count, count / seconds, None, meter.cost, checks, "deliveries")
