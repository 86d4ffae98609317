"""Every row of the benchmark, in the order in which they run."""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.figures import Row
from benchmarks.rows import backlog, neighbours, receiving, receiving_large, receiving_usual, routing, stream, usual

__all__ = ["ROWS", "Entry"]


class Entry(NamedTuple):
    """``quick``: also part of the quick run."""

    name: str
    measure: Callable[[Bench], Row]
    quick: bool
    about: str


ROWS = [
    Entry("drain", backlog.drain, True, "drain a backlog, 1 KB, 100 endpoints"),
    Entry("usual", usual.usual, True, "the same the usual way, and how many times faster the row before is"),
    Entry("one-to-one", stream.one_to_one, True, "batch publish to delivered"),
    Entry("fan-out", stream.fan_out, True, "one event to ten endpoints"),
    Entry("publish", stream.publish_single, True, "single events, durable before 202"),
    Entry("idle", stream.idle, True, "latency at 50 events/s"),
    Entry("hanging", neighbours.hanging, True, "19 fast endpoints beside one that hangs"),
    Entry("failing", neighbours.failing, False, "10 % of the endpoints answer 500"),
    Entry("crowd", neighbours.crowd, False, "one endpoint of a tenant beside 10,000 of another with a backlog"),
    Entry("routing", routing.routing, True, "one event among 1, 100, 10,000 subscriptions with patterns"),
    Entry("receive", receiving.receive, True, "receive, verify, dedupe, keep, 1 KB"),
    Entry("receive-usual", receiving_usual.receive_usual, True, "the same by a REST view, standardwebhooks, the ORM"),
    Entry("receive-handled", receiving.receive_handled, True, "the same as the first, and handle it"),
    Entry("large-body", receiving_large.large_body, True, "receive one body of 1 GB (quick: 256 MB)"),
    Entry("megabyte", stream.megabyte, True, "events of 1 MB"),
    Entry("endpoints-1000", backlog.endpoints_1000, False, "a backlog for 1,000 endpoints"),
    Entry("endpoints-10000", backlog.endpoints_10000, False, "a backlog for 10,000 endpoints"),
    Entry("snapshot", backlog.snapshot, True, "a backlog while another session holds an old snapshot"),
    Entry("backlog-large", backlog.backlog_large, False, "a backlog of 500,000"),
    Entry("finished", backlog.finished, False, "a backlog beside 10 million finished deliveries"),
    Entry("soak", stream.soak, False, "ten minutes at 1,000 events/s: memory and p99 over time"),
]
