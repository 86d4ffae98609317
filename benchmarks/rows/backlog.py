"""Drain a backlog: events wait, then all are sent at once.

The whole backlog is there before the first delivery, so the rate, from the first arrival to the last, is that of
sending alone.
"""

from benchmarks.bench import ENDPOINTS, Bench, event_types, rate
from benchmarks.finished_deliveries import insert_finished
from benchmarks.result import Result


def drain(bench: Bench) -> Result:
    """Drain a backlog for 100 endpoints."""
    return _drain(bench, bench.count(20_000, 100_000), ENDPOINTS)


def endpoints_1000(bench: Bench) -> Result:
    """Drain a backlog for 1,000 endpoints."""
    return _drain(bench, bench.size(10_000, 50_000), 1_000)


def endpoints_10000(bench: Bench) -> Result:
    """Drain a backlog for 10,000 endpoints."""
    return _drain(bench, bench.size(20_000, 100_000), 10_000)


def large(bench: Bench) -> Result:
    """Drain a large backlog."""
    return _drain(bench, bench.size(50_000, 500_000), ENDPOINTS)


def beside_finished(bench: Bench) -> Result:
    """Drain beside as many finished deliveries as months of traffic leave."""
    return _drain(bench, bench.size(20_000, 100_000), ENDPOINTS, finished=bench.size(300_000, 10_000_000))


def _drain(bench: Bench, count: int, endpoints: int, finished: int = 0) -> Result:
    bench.create_endpoints(endpoints)
    if finished:
        insert_finished(bench.deployment, finished)
    found = bench.drain(event_types(endpoints), count)
    return Result(count, rate(found.arrivals), None, found.cost, found.checks)
