"""The rows of the report, one file for each family. To add one, write a function and add a line here."""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.result import Result
from benchmarks.rows import backlog, large_body, neighbours, publishing, receiving, routing, steady, usual


class Row(NamedTuple):
    """A row: `usual` names the row that does the same work the usual way; `quick`: part of the quick run."""

    name: str
    title: str
    measure: Callable[[Bench], Result]
    quick: bool = True
    usual: str = ""


ROWS = [
    Row("drain", "drain a backlog, 1 KB, 100 endpoints", backlog.drain, usual="usual"),
    Row("usual", "the same the usual way: a Celery task, requests.post, ORM rows", usual.deliver),
    Row("one-to-one", "batch publish to delivered", publishing.one_to_one, usual="usual"),
    Row("fan-out", "one event to ten endpoints", publishing.fan_out, usual="usual"),
    Row("publish", "single events, durable before 202", publishing.single),
    Row("idle", "latency at 50 events/s", publishing.idle),
    Row("hanging", "19 fast endpoints beside one that hangs", neighbours.hanging),
    Row("failing", "10 % of the endpoints respond 500", neighbours.failing, quick=False),
    Row("crowd", "one endpoint of a tenant beside 10,000 of another with a backlog", neighbours.crowd, quick=False),
    Row("routing", "one event among 1, 100, 10,000 subscriptions with patterns", routing.route),
    Row("receive", "receive, verify, dedupe, keep, 1 KB", receiving.receive, usual="receive-usual"),
    Row("receive-usual", "the same the usual way: a REST view, standardwebhooks, the ORM", usual.receive),
    Row("receive-handled", "receive and handle, 1 KB", receiving.receive_handled, quick=False),
    Row("large-body", "receive one body of 1 GB (quick: 256 MB)", large_body.receive),
    Row("megabyte", "events of 1 MB", publishing.megabyte),
    Row("endpoints-1000", "a backlog for 1,000 endpoints", backlog.endpoints_1000, quick=False),
    Row("endpoints-10000", "a backlog for 10,000 endpoints", backlog.endpoints_10000, quick=False),
    Row("snapshot", "ten minutes at 1,000/s while another session has an old snapshot", steady.snapshot, quick=False),
    Row("backlog-large", "a backlog of 500,000", backlog.large, quick=False),
    Row("finished", "a backlog beside 10 million finished deliveries", backlog.beside_finished, quick=False),
    Row("soak", "ten minutes at 1,000 events/s: memory and p99 over time", steady.soak, quick=False),
]
