"""Rows about a backlog: events wait for endpoints that are paused; then all endpoints are active at once.

The workers are warm and the whole backlog is there before the first delivery, so the rate, from the first arrival
at the sink to the last, is that of the drain alone.
"""

import time
from collections import defaultdict

from benchmarks.bench import BATCH, SIZE, Bench, all_answered, arrival_rate
from benchmarks.figures import Aim, Curve, Row, bucketed
from benchmarks.frames import event_type
from benchmarks.meter import Meter

__all__ = ["backlog_large", "drain", "endpoints_1000", "endpoints_10000", "finished", "snapshot"]

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
    row = _drained(bench, bench.size(50_000, 500_000), 100, chart="A large backlog: deliveries over time")
    row.name, row.title = "backlog-large", "Drain a large backlog"
    return row


def snapshot(bench: Bench) -> Row:
    """While another session keeps a snapshot from before the backlog, no version of a row can be removed."""
    with bench.stand.another_session() as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM delivery_lane")
        row = _drained(bench, bench.size(20_000, 200_000), 100, chart="Claims while an old snapshot is held open")
        other.execute("ROLLBACK")
    row.name, row.title = "snapshot", "Drain while another session holds an old snapshot"
    return row


def finished(bench: Bench) -> Row:
    """The past must not slow the present: as many rows as months of traffic leave behind."""
    rows = bench.size(300_000, 10_000_000)
    free = bench.stand.free_bytes()
    rows = min(rows, int(free / 2 / 1_000))  # a row takes about 400 bytes with its indexes, and WAL comes on top
    row = _drained(bench, bench.size(20_000, 100_000), 100, past=rows)
    row.name, row.title = "finished", f"Drain beside {rows:,} finished deliveries"
    return row


def _drained(bench: Bench, count: int, endpoints: int, *, chart: str = "", past: int = 0) -> Row:
    bench.endpoints(endpoints, state="paused")
    if past:
        _fill(bench, past)
    time.sleep(PAUSED_FOR)
    answers = bench.publish([event_type(lane) for lane in range(endpoints)], count)
    count = len(answers) * BATCH
    since = bench.sink.count
    with bench.meter() as meter:
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
        cost=meter.reading,
        checks=[all_answered(answers), *bench.checks(since, count)],
        steps=meter.steps(count),
    )
    moments = [one.arrived / 1e9 for one in arrivals]
    row.curves = _curves(chart, moments, meter) if chart else []
    row.notes = [_trend(row.curves)] if chart else []
    return row


def _curves(chart: str, moments: list[float], meter: Meter) -> list[Curve]:
    width = max(0.5, (max(moments) - min(moments)) / 40)
    return [
        Curve(chart, "arrivals", "s", "deliveries/s", bucketed(moments, width)),
        Curve(f"{chart}: the cost of a claim", "claim", "s", "us of the server per delivery", _claims(moments, meter)),
    ]


def _claims(moments: list[float], meter: Meter) -> list[tuple[float, float]]:
    """Microseconds the server spent in claims for each delivery that arrived in the same stretch."""
    first = min(moments)
    width = max(1.0, (max(moments) - first) / 20)
    spent: dict[int, float] = defaultdict(float)
    arrived: dict[int, int] = defaultdict(int)
    for moment in moments:
        arrived[int((moment - first) / width)] += 1
    for one in meter.sampled():
        if one.kind == "claim" and one.at >= first:
            spent[int((one.at - first) / width)] += one.milliseconds * 1000 / meter.share
    whole = range(int((max(moments) - first) / width))
    return [(index * width, spent[index] / arrived[index]) for index in whole if arrived[index]]


def _trend(curves: list[Curve]) -> str:
    """How the claims of the last third cost beside those of the first."""
    points = [y for _, y in curves[-1].points]
    third = len(points) // 3
    if not third:
        return "too short for a trend"
    early, late = sum(points[:third]) / third, sum(points[-third:]) / third
    return f"claims took {early:.1f} us per delivery in the first third, {late:.1f} us in the last"


def _fill(bench: Bench, rows: int) -> None:
    """Deliveries that were delivered over the last months, as the platform would have left them."""
    step = 250_000
    for start in range(0, rows, step):
        bench.progress("filling", start, rows)
        bench.stand.sql(
            "INSERT INTO delivery_delivery (id, created_at, tenant_id, event_id, endpoint_id, state, started_at,"
            " attempts, step, claims, last_status, last_error)"
            " SELECT uuidv7(), now(), e.tenant_id, uuidv7(), e.id, 'delivered', now(), 1, 0, 0, 200, ''"
            " FROM (SELECT id, tenant_id, row_number() OVER (ORDER BY id) - 1 AS place FROM subscriptions_endpoint) e"
            f" JOIN generate_series(0, {min(step, rows - start) - 1}) n ON n % 100 = e.place"
        )
    bench.stand.sql("ANALYZE delivery_delivery")
    bench.stand.sql("CHECKPOINT")
