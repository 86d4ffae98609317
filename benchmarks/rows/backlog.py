"""Drain a backlog: events wait for endpoints that are paused, then all endpoints become active at once.

The whole backlog is there before the first delivery, so the rate, from the first arrival to the last, is that of
sending alone.
"""

import time

from benchmarks.bench import BATCH, Bench, all_have_status, event_types, rate
from benchmarks.result import Result
from benchmarks.rows.finished import insert_finished

ACTIVATE = "UPDATE subscriptions_endpoint SET state = 'active'"
PAUSED_FOR = 1.5  # seconds until every drain has seen that the endpoints are paused


def drain(bench: Bench) -> Result:
    """Drain a backlog for 100 endpoints."""
    return _drain(bench, bench.size(20_000, 100_000), 100).aim_at_least(10_000)


def endpoints_1000(bench: Bench) -> Result:
    """Drain a backlog for 1,000 endpoints."""
    return _drain(bench, bench.size(10_000, 50_000), 1_000)


def endpoints_10000(bench: Bench) -> Result:
    """Drain a backlog for 10,000 endpoints."""
    return _drain(bench, bench.size(20_000, 100_000), 10_000)


def large(bench: Bench) -> Result:
    """Drain a large backlog."""
    return _drain(bench, bench.size(50_000, 500_000), 100)


def beside_finished(bench: Bench) -> Result:
    """Drain beside as many finished deliveries as months of traffic leave."""
    return _drain(bench, bench.size(20_000, 100_000), 100, finished=bench.size(300_000, 10_000_000))


def _drain(bench: Bench, count: int, endpoints: int, finished: int = 0) -> Result:
    bench.create_endpoints(endpoints, state="paused")
    if finished:
        insert_finished(bench.deployment, finished)
    time.sleep(PAUSED_FOR)
    responses = bench.send(bench.batches(event_types(endpoints)), count // BATCH)
    since = bench.sink.count
    with bench.meter() as meter:
        bench.deployment.sql(ACTIVATE)
        bench.await_arrivals(since, count)
        bench.await_settled()
    checks = [all_have_status(responses), *bench.checks(since, count)]
    return Result(count, rate(bench.sink.arrivals(since)), None, meter.cost, checks)
