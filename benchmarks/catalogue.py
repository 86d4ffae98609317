"""Every row of the benchmark, in the order in which they run."""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.figures import Row
from benchmarks.rows import (
    backlog,
    neighbours,
    receiving,
    receiving_large,
    receiving_usual,
    routing,
    steady,
    stream,
    usual,
)
from benchmarks.sizes import Sizes

__all__ = ["ROWS", "START", "Entry"]

START = 12  # seconds until the platform runs, and for it to end


class Entry(NamedTuple):
    """``quick`` and ``full``: seconds it takes on two quiet cores; without the first it is no part of the quick run."""

    name: str
    measure: Callable[[Bench], Row]
    quick: int | None
    full: int
    about: str

    @property
    def is_quick(self) -> bool:
        return self.quick is not None

    def seconds(self, sizes: Sizes) -> float:
        least = self.quick or min(self.full, LEAST)
        return least if sizes.quick else max(least, self.full * sizes.scale)


LEAST = 15  # seconds for the quick form of a row that is no part of the quick run

ROWS = [
    Entry("drain", backlog.drain, 7, 30, "drain a backlog, 1 KB, 100 endpoints"),
    Entry("usual", usual.usual, 12, 65, "the same the usual way, and how many times faster the row before is"),
    Entry("one-to-one", stream.one_to_one, 7, 55, "batch publish to delivered"),
    Entry("fan-out", stream.fan_out, 6, 50, "one event to ten endpoints"),
    Entry("publish", stream.publish_single, 6, 70, "single events, durable before 202"),
    Entry("idle", stream.idle, 6, 65, "latency at 50 events/s"),
    Entry("hanging", neighbours.hanging, 12, 70, "19 fast endpoints beside one that hangs"),
    Entry("failing", neighbours.failing, None, 75, "10 % of the endpoints answer 500"),
    Entry("crowd", neighbours.crowd, None, 60, "one endpoint of a tenant beside 10,000 of another with a backlog"),
    Entry("routing", routing.routing, 7, 20, "one event among 1, 100, 10,000 subscriptions with patterns"),
    Entry("receive", receiving.receive, 10, 65, "receive, verify, dedupe, keep, 1 KB"),
    Entry("receive-usual", receiving_usual.receive_usual, 8, 30, "the same by a REST view, standardwebhooks, the ORM"),
    Entry("receive-handled", receiving.receive_handled, None, 80, "the same as the first, and handle it"),
    Entry("large-body", receiving_large.large_body, 6, 15, "receive one body of 1 GB (quick: 256 MB)"),
    Entry("megabyte", stream.megabyte, 4, 45, "events of 1 MB"),
    Entry("endpoints-1000", backlog.endpoints_1000, None, 25, "a backlog for 1,000 endpoints"),
    Entry("endpoints-10000", backlog.endpoints_10000, None, 45, "a backlog for 10,000 endpoints"),
    Entry(
        "snapshot", steady.snapshot, None, 620, "ten minutes at 1,000 events/s while another session holds a snapshot"
    ),
    Entry("backlog-large", backlog.backlog_large, None, 140, "a backlog of 500,000"),
    Entry("finished", backlog.finished, None, 200, "a backlog beside 10 million finished deliveries"),
    Entry("soak", steady.soak, None, 620, "ten minutes at 1,000 events/s: memory and p99 over time"),
]
