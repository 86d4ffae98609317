"""Drain a backlog to destinations that take many messages in one request.

The server at the other end is ours (``benchmarks/wire/batch_sink.py``): a real one would be what is measured.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.bench import Bench, event_types, rate
from benchmarks.result import Result
from benchmarks.wire.programs import BatchSink

ENDPOINTS = 10
QUICK, FULL = 20_000, 100_000  # deliveries
WAIT = {"max_events": 100, "max_bytes": 1_048_576, "window_seconds": 0.1}
ACCESS_KEY = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "x"}


def http(bench: Bench) -> Result:
    """Send to HTTP endpoints that ask for batches."""
    return _drain(bench, lambda sink, lane: {"url": sink.url(lane), "batch": WAIT})


def sqs(bench: Bench) -> Result:
    """Send to queues of SQS."""
    return _drain(bench, _queue)


def _queue(sink: BatchSink, lane: int) -> dict[str, Any]:
    settings = {"queue_url": sink.queue_url(lane), "region": "eu-central-1"}
    return {"type": "sqs", "settings": settings, "credentials": ACCESS_KEY, "skip_test": True}


def _drain(bench: Bench, fields_of: Callable[[BatchSink, int], dict[str, Any]]) -> Result:
    at_sink, sink = bench.at_batch_sink()
    types, count = event_types(ENDPOINTS), bench.size(QUICK, FULL)
    for lane, each in enumerate(types):
        subscriptions = [{"event_types": [each]}]
        fields = {"uid": f"lane{lane}", **fields_of(sink, lane), "subscriptions": subscriptions}
        bench.deployment.create("endpoints/", fields)
    found = at_sink.drain(types, count)
    sink.close()
    return Result(count, rate(found.arrivals), None, found.cost, found.checks)
