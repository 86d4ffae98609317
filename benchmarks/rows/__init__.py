"""The rows of the report, one file for each family. To add one, write a function and add a line here."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.result import Result
from benchmarks.rows import (
    backlog,
    batches,
    destinations,
    footprint,
    large_body,
    neighbours,
    outage,
    publishing,
    receiving,
    routing,
    schedules,
    slow,
    sources,
    steady,
)

NO_AIMS: Mapping[str, float] = MappingProxyType({})


class Row(NamedTuple):
    """A row. `aims`: by the name of a figure.

    `quick`: part of the quick run. `usual`: the usual way is measured too, by the same function. `driven`: the row
    measures a running system, so that another commit can be measured as well. `fresh`: the system
    should have done nothing yet.
    """

    name: str
    title: str
    measure: Callable[[Bench], Result]
    aims: Mapping[str, float] = NO_AIMS
    quick: bool = True
    usual: bool = False
    driven: bool = True
    fresh: bool = False


ROWS = [
    Row("start", "start, until ready", footprint.start, {footprint.FIRST: 4}, quick=False, usual=True, fresh=True),
    Row("idle", "memory and CPU when idle", footprint.idle, {"memory": 250, "idle CPU": 10}, usual=True, fresh=True),
    Row("memory", "memory after 20,000", footprint.memory_after_work, {"memory": 400}, quick=False, usual=True),
    Row(
        "hot-endpoint",
        "batch publish to one endpoint",
        publishing.hot_endpoint,
        {"rate": 8_000, "CPU": 150},
        usual=True,
    ),
    Row(
        "publish",
        "single events over 16 connections, durable before 202",
        publishing.single,
        {"rate": 4_000, "p50": 4, "p99": 10},
        usual=True,
    ),
    Row("fan-out", "one event to ten endpoints", publishing.fan_out, {"rate": 10_000, "CPU": 100}, usual=True),
    Row(
        "latency",
        "50 events/s: publish to arrival, and the response",
        publishing.trickle,
        {"p50": 2.5, "p99": 7, "response p50": 2, "response p99": 5},
        usual=True,
    ),
    Row(
        "slow-4",
        "4 fast endpoints beside one of 5 s, 250 deliveries/s",
        slow.beside_4,
        {"p50": 3, "p99": 8, slow.KEPT_UP: 600},
        usual=True,
    ),
    Row(
        "slow-19",
        "19 fast endpoints beside one of 5 s, 1,000 deliveries/s",
        slow.beside_19,
        {"p50": 4, "p99": 15, slow.KEPT_UP: 600},
        quick=False,
        usual=True,
    ),
    Row(
        "outage",
        "2,000 events for an endpoint that is down for 20 s",
        outage.recovery,
        {"all there after": 10},
        quick=False,
        usual=True,
    ),
    Row("drain", "drain a backlog, 100 endpoints", backlog.drain, {"rate": 12_000, "CPU": 100}, usual=True),
    Row("batches", "drain to 10 endpoints, 100 events a request", batches.http, {"rate": 12_000}),
    Row("sqs", "drain to 10 queues of SQS, ten messages a request", batches.sqs, {"rate": 12_000}),
    Row("one-to-one", "batch publish to 100 endpoints", publishing.one_to_one, {"rate": 8_000}, usual=True),
    Row("hanging", "19 fast endpoints beside one that hangs", neighbours.hanging, quick=False),
    Row("failing", "10 % of the endpoints respond 500", neighbours.failing, quick=False),
    Row("crowd", "one endpoint beside 10,000 of another tenant", neighbours.crowd, {"p99": 1_000}, quick=False),
    Row("routing", "one event among 10,000 subscriptions with patterns", routing.route, driven=False),
    Row(
        "schedules",
        "100,000 schedules due in one second (quick: 10,000)",
        schedules.due_at_once,
        {schedules.LATE: 2_000},
    ),
    Row("receive", "receive, verify, dedupe, keep", receiving.receive, {"rate": 4_000}, usual=True),
    Row("receive-handled", "receive and handle", receiving.receive_handled, {"rate": 2_000}, quick=False),
    Row("kafka", "records of a Kafka topic, to delivered", sources.kafka, {"rate": 2_000}),
    Row("kafka-out", "events to a topic of Kafka", destinations.kafka, {"rate": 2_000}),
    Row("amqp", "events to a queue of RabbitMQ", destinations.amqp, {"rate": 2_000}, quick=False),
    Row("poll", "events to a pulled endpoint, one consumer", destinations.poll, {"rate": 2_000}),
    Row("outbox", "rows of another database's outbox to endpoints", sources.outbox, {"rate": 2_000}),
    Row("changes", "changes of another database to an endpoint", sources.changes, {"rate": 2_000}),
    Row("large-body", "receive one body of 1 GB (quick: 256 MB)", large_body.receive),
    Row("megabyte", "events of 1 MB", publishing.megabyte),
    Row("endpoints-1000", "a backlog for 1,000 endpoints", backlog.endpoints_1000, quick=False),
    Row("endpoints-10000", "a backlog for 10,000 endpoints", backlog.endpoints_10000, quick=False),
    Row("snapshot", "ten minutes at 1,000/s beside an old snapshot", steady.snapshot, quick=False),
    Row("backlog-large", "a backlog of 500,000", backlog.large, quick=False),
    Row("finished", "a backlog beside 10 million finished deliveries", backlog.beside_finished, quick=False),
    Row("soak", "ten minutes at 1,000/s: memory and p99 over time", steady.soak, quick=False),
]
