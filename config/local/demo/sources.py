"""Show where events come from besides the API: a schedule, and sources that are read, each with one event.

Another PostgreSQL, a Kafka cluster and a queue run on this machine. The cluster is librdkafka's own, in this process;
where confluent-kafka is not installed, the demo says so and goes on without it.
"""

import json
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.utils.module_loading import import_string

from config.local.demo.api_client import ApiClient
from config.local.demo.counts import Count
from config.local.demo.queue_server import QUEUE, QueueServer
from config.local.demo.receivers import ACCEPTED, Receiver
from config.local.demo.screen import Screen
from config.local.embedded.other_database import OtherDatabase, other_database

CUSTOMER = "hooli"
READY_WITHIN = 60.0  # seconds until all sources are read
ARRIVES_WITHIN = 60.0  # seconds until all events have arrived
CHECK_EVERY = 0.2  # seconds
TOPIC = "payments"
TABLES = """
    CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, type text, payload jsonb,
        created_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item text, price numeric)
"""
INTO_OUTBOX = """INSERT INTO outbox (type, payload) VALUES ('order.paid', '{"order": 1, "total": "12.90"}')"""
INTO_ORDERS = "INSERT INTO orders (item, price) VALUES ('Trail sign', 12.90)"
UPLOAD = {
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-north-1",
            "eventTime": "2026-11-29T12:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": {"name": "photos", "arn": "arn:aws:s3:::photos"},
                "object": {"key": "in/trail.jpg", "size": 48123, "eTag": "d41d8cd98f00b204e9800998ecf8427e"},
            },
        }
    ]
}


@dataclass
class Way:
    """A way in which an event comes: the type that arrives, how it is caused, and the source that is read (or none)."""

    name: str
    event_type: str
    cause: Callable[[], object]
    source: str = ""
    said: str = ""


@dataclass
class Shop:
    """The customer whose events come from elsewhere, and its endpoint."""

    api: ApiClient
    receiver: Receiver
    ways: list[Way] = field(default_factory=list)

    def read(self, name: str, event_type: str, cause: Callable[[], object], said: str, **source: Any) -> None:
        """Create a source, and note how an event of it is caused."""
        created = self.api.post("sources/", {"name": name, "handlers": [{"handler": "publish"}], **source})
        self.ways.append(Way(name, event_type, cause, created["id"], said))

    def types(self) -> list[str]:
        """Return the types of the events that have arrived."""
        return [json.loads(body)["type"] for body in self.receiver.bodies.values()]


def show_sources(screen: Screen, stack: ExitStack, api: ApiClient, data: Path) -> list[Count]:
    """Create a schedule and the sources, cause one event of each, and return a count for each."""
    screen.step(f"Events of {CUSTOMER} come from elsewhere: a schedule, tables, a topic, a queue")
    receiver = Receiver(lambda _number, _attempt: ACCEPTED)
    stack.enter_context(receiver.listening())
    endpoint = api.post("endpoints/", {"url": receiver.url, "description": "demo"})
    api.post("subscriptions/", {"endpoint": endpoint["id"], "event_types": ["*"]})
    receiver.secret = endpoint["secret"]
    shop = Shop(api, receiver)
    shop.ways.append(Way("schedule", "report.due", lambda: _schedule(api), said="a time, in two seconds"))
    _tables(shop, stack.enter_context(other_database(data)))
    if find_spec("confluent_kafka"):
        _topic(shop)
    else:
        screen.say("   without Kafka: confluent-kafka is not installed (waypost[kafka] brings it)")
    queue = QueueServer()
    stack.enter_context(queue.listening())
    _queue(shop, queue)
    _await(READY_WITHIN, lambda: all(_is_read(api, way.source) for way in shop.ways))
    for way in shop.ways:
        screen.say(f"   {way.name:<9} {way.said}")
        way.cause()
    _await(ARRIVES_WITHIN, lambda: {way.event_type for way in shop.ways} <= set(shop.types()))
    time.sleep(CHECK_EVERY)
    arrived = shop.types()
    return [Count(f"from {it.name}", arrived.count(it.event_type), 1, f"{it.event_type} arrived") for it in shop.ways]


def _schedule(api: ApiClient) -> None:
    at = datetime.now(UTC) + timedelta(seconds=2)
    event = {"type": "report.due", "data": {"at": "<schedule.scheduled_at>"}}
    api.post("schedules/", {"expression": f"at({at:%Y-%m-%dT%H:%M:%S})", "timezone": "UTC", "event": event})


def _tables(shop: Shop, other: OtherDatabase) -> None:
    """Read an outbox, and the changes of another table, of another application's database."""
    run = other.connection.execute
    run(TABLES)
    where = {"credentials": {"password": other.password}}
    shop.read(
        "outbox",
        "order.paid",
        lambda: run(INTO_OUTBOX),
        "INSERT INTO outbox, in the database of another application",
        kind="postgres_outbox",
        settings={**other.settings, "table": "outbox", "type_column": "type"},
        **where,
    )
    shop.read(
        "change",
        "postgres.orders.inserted",
        lambda: run(INTO_ORDERS),
        "INSERT INTO orders, a table whose changes are read",
        kind="postgres_changes",
        settings={**other.settings, "tables": ["orders"]},
        **where,
    )


def _topic(shop: Shop) -> None:
    """Read a topic of a cluster in this process."""
    options = {"test.mock.num.brokers": 1, "bootstrap.servers": "mock"}
    producer = import_string("confluent_kafka.Producer")(options, logger=logging.Logger("kafka", logging.CRITICAL))
    brokers = producer.list_topics(TOPIC, timeout=10).brokers.values()
    servers = ",".join(f"{it.host}:{it.port}" for it in brokers)

    def send() -> None:
        producer.produce(TOPIC, json.dumps({"type": "payment.received", "amount": "12.90"}))
        producer.flush(30)

    settings = {"bootstrap_servers": servers, "topic": TOPIC, "tls": False, "start": "earliest"}
    said = f"a record in the topic {TOPIC}"
    shop.read("kafka", "payment.received", send, said, kind="kafka", settings=settings)


def _queue(shop: Shop, queue: QueueServer) -> None:
    """Read a queue to which a bucket sends its notifications."""
    shop.read(
        "bucket",
        "com.amazonaws.s3.ObjectCreated:Put",
        lambda: queue.send(json.dumps(UPLOAD)),
        "a file in the bucket photos, whose notification waits in a queue",
        kind="sqs",
        settings={"queue": QUEUE, "region": "eu-north-1", "endpoint_url": queue.url},
        credentials={"access_key_id": "demo", "secret_access_key": "demo"},
    )


def _is_read(api: ApiClient, source: str) -> bool:
    return not source or api.get(f"sources/{source}/")["reading"]["state"] == "reading"


def _await(seconds: float, is_over: Callable[[], bool]) -> None:
    """Wait until it is over, for ``seconds`` at most: the counts show what is missing."""
    until = time.monotonic() + seconds
    while not is_over() and time.monotonic() < until:
        time.sleep(CHECK_EVERY)
