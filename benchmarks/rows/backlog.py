"""Rows about a backlog: events wait for endpoints that are paused; then all endpoints are active at once.

The workers are warm and the whole backlog is there before the first delivery, so the rate, from the first arrival
at the sink to the last, is that of the drain alone.
"""

import time

from benchmarks.bench import BATCH, SIZE, Bench, all_answered, arrival_rate
from benchmarks.figures import Aim, Curve, Latency, Row, bucketed
from benchmarks.frames import event_type
from benchmarks.meter import Meter
from benchmarks.rows.past import fill
from benchmarks.rows.trends import claims, seconds_of, told

__all__ = ["backlog_large", "drain", "endpoints_1000", "endpoints_10000", "finished"]

ACTIVATE = "UPDATE subscriptions_endpoint SET state = 'active'"
PAUSED_FOR = 1.5  # seconds until every drain has seen that the endpoints are paused


def drain(bench: Bench) -> Row:
    row = _drained(bench, bench.size(20_000, 100_000), 100)
    row.name, row.title = "drain", "Drain a backlog, 1 KB, 100 endpoints"
    row.aim = Aim("at least 10,000 deliveries/s", row.rate >= 10_000)
    return row


def endpoints_1000(bench: Bench) -> Row:
    row = _drained(bench, bench.size(10_000, 50_000), 1_000)
    row.name, row.title = "endpoints-1000", "Drain a backlog for 1,000 endpoints"
    return row


def endpoints_10000(bench: Bench) -> Row:
    row = _drained(bench, bench.size(20_000, 100_000), 10_000)
    row.name, row.title = "endpoints-10000", "Drain a backlog for 10,000 endpoints"
    return row


def backlog_large(bench: Bench) -> Row:
    row = _drained(bench, bench.size(50_000, 500_000), 100, chart="A large backlog")
    row.name, row.title = "backlog-large", "Drain a large backlog"
    return row


def finished(bench: Bench) -> Row:
    """The past must not slow the present: as many rows as months of traffic leave behind."""
    rows = bench.size(300_000, 10_000_000)
    row = _drained(bench, bench.size(20_000, 100_000), 100, past=rows)
    row.name, row.title = "finished", f"Drain beside {rows:,} finished deliveries"
    return row


def _drained(bench: Bench, count: int, endpoints: int, *, chart: str = "", past: int = 0) -> Row:
    bench.endpoints(endpoints, state="paused")
    if past:
        fill(bench, past)
    time.sleep(PAUSED_FOR)
    answers = bench.publish([event_type(lane) for lane in range(endpoints)], count)
    count = len(answers) * BATCH
    since = bench.sink.count
    with bench.meter() as meter:
        released = time.time_ns()
        bench.stand.sql(ACTIVATE)
        bench.await_arrivals(since, count)
        bench.await_settled()
    arrivals = bench.sink.arrivals(since)
    row = Row(
        name="",
        title="",
        setting=f"{count:,} events of {SIZE:,} bytes waiting for {endpoints:,} endpoints, all active at once",
        count=count,
        rate=arrival_rate(arrivals),
        latency=Latency.of([(one.arrived - released) / 1e6 for one in arrivals]),
        cost=meter.reading,
        checks=[all_answered(answers), *bench.checks(since, count)],
        steps=meter.steps(count),
        beside="usual",
    )
    if chart:
        row.curves = _curves(chart, seconds_of(arrivals), meter)
        row.notes = [told("a claim", "us", row.curves[-1].points)]
    return row


def _curves(chart: str, moments: list[float], meter: Meter) -> list[Curve]:
    width = max(0.5, (max(moments) - min(moments)) / 40)
    return [
        Curve(f"{chart}: deliveries", "arrivals", "s", "deliveries/s", bucketed(moments, width)),
        Curve(f"{chart}: the cost of a claim", "claim", "s", "us of the server per delivery", claims(moments, meter)),
    ]
