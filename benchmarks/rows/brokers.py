"""Read a Kafka topic: from records that an application sends to their events at endpoints.

The cluster is librdkafka's mock cluster, which runs in the process of the benchmark: real sockets, no storage. It keeps
5 MB of each partition, so that no more records are sent ahead than that.
"""

import json
import logging
import time
from typing import Any

from confluent_kafka import Producer

from benchmarks.bench import SIZE, Bench, event_types, rate
from benchmarks.result import Check, Result

ENDPOINTS = 100
PARTITIONS = 4
TOPIC = "orders"
AHEAD = 8_000  # records that are sent and have not arrived
PART = 500  # records sent between two looks
STOP = "DELETE FROM webhooks_sourcepartition"


def kafka(bench: Bench) -> Result:
    """Send records of one topic with four partitions; 100 endpoints."""
    types, count = event_types(ENDPOINTS), bench.size(10_000, 40_000)
    bench.create_endpoints(ENDPOINTS)
    options: dict[str, Any] = {"test.mock.num.brokers": 2, "bootstrap.servers": "mock"}
    producer = Producer(options, logger=logging.getLogger("benchmarks.kafka"))
    servers = ",".join(f"{it.host}:{it.port}" for it in producer.list_topics(TOPIC, timeout=10).brokers.values())
    settings = {"bootstrap_servers": servers, "topic": TOPIC, "tls": False, "start": "earliest"}
    source = {"uid": "kafka", "kind": "kafka", "settings": settings, "handlers": [{"handler": "publish"}]}
    bench.deployment.create("sources/", source)
    since = bench.sink.count
    _send(producer, types)
    bench.await_arrivals(since, ENDPOINTS)
    bench.await_settled()
    since, sent = bench.sink.count, 0
    with bench.meter() as meter:
        began = time.time_ns()
        while sent < count:
            _send(producer, [types[it % ENDPOINTS] for it in range(sent, sent + PART)])
            sent += PART
            while sent - (bench.sink.count - since) > AHEAD:
                time.sleep(0.01)
        bench.await_arrivals(since, count)
        bench.await_settled()
    arrivals = bench.sink.arrivals(since)
    bench.deployment.sql(STOP)
    checks = [Check("every record arrived once", len(arrivals) == count, f"{len(arrivals)} of {count}")]
    return Result(count, rate(arrivals, began), None, meter.cost, checks, "records")


def _send(producer: Producer, types: list[str]) -> None:
    """Write a record of each type, in turns over the partitions, and wait until they are there."""
    text = "x" * (SIZE // 2)
    for number, event_type in enumerate(types):
        producer.produce(TOPIC, json.dumps({"type": event_type, "data": {"text": text}}), partition=number % PARTITIONS)
    producer.flush(30)
