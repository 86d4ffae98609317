"""Rows about time: the same load for ten minutes, by itself and while another session holds an old snapshot. Nothing
may climb."""

from typing import NamedTuple

from benchmarks.bench import BATCH, SIZE, Bench, all_answered, arrival_rate
from benchmarks.figures import Aim, Check, Curve, Latency, Row, bucketed
from benchmarks.frames import event_type
from benchmarks.instruments import Arrival
from benchmarks.meter import Meter
from benchmarks.rows.trends import Points, claims, is_flat, p99, seconds_of, told

__all__ = ["snapshot", "soak"]

ENDPOINTS = 100
RATE = 1_000  # events per second
FULL = 600  # seconds
STRETCHES = 60  # of which a curve is made
MEMORY_MARGIN, TIME_MARGIN = 0.10, 0.50  # by which the last third may be above the first
EVENTS = "SELECT count(*) FROM delivery_event"


def soak(bench: Bench) -> Row:
    """The same load for long: nothing may grow."""
    row, trends = _steady(bench, bench.size(20, FULL), "Soak")
    row.name, row.title = "soak", f"{_seconds(row)} s at {RATE:,} events/s"
    row.aim = Aim(
        "from the first third to the last memory grows by at most 10 %, p99 by at most 50 %",
        is_flat(trends.memory, MEMORY_MARGIN) and is_flat(trends.p99, TIME_MARGIN),
    )
    return row


def snapshot(bench: Bench) -> Row:
    """While another session keeps a snapshot from before, as a backup does, no version of a row can be removed."""
    with bench.stand.another_session() as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute(EVENTS)
        row, trends = _steady(bench, bench.size(10, FULL), "An old snapshot is held")
        seen = other.execute(EVENTS).fetchall()[0][0]
        other.execute("ROLLBACK")
    row.name = "snapshot"
    row.title = f"{_seconds(row)} s at {RATE:,} events/s while another session holds an old snapshot"
    row.checks.append(Check("the snapshot was held to the end", seen == 0, f"it sees {seen} of the events"))
    row.aim = Aim(
        "a claim costs at most 50 % more in the last third than in the first", is_flat(trends.claims, TIME_MARGIN)
    )
    return row


class _Trends(NamedTuple):
    claims: Points  # us
    p99: Points  # ms
    memory: Points  # MiB


def _steady(bench: Bench, seconds: int, chart: str) -> tuple[Row, _Trends]:
    bench.endpoints(ENDPOINTS)
    since, requests = bench.sink.count, RATE * seconds // BATCH
    names = [event_type(lane) for lane in range(ENDPOINTS)]
    with bench.meter() as meter:
        load = bench.load(bench.batches(names), count=requests, rate=RATE / BATCH, connections=4)
        answers = bench.run(load, "publishing by the clock", requests).answers()
        bench.await_arrivals(since, requests * BATCH)
        bench.await_settled()
    arrivals = bench.sink.arrivals(since)
    row = Row(
        name="",
        title="",
        setting=f"{requests:,} batches of {BATCH} events of {SIZE:,} bytes by the clock, {ENDPOINTS} endpoints",
        count=requests * BATCH,
        rate=arrival_rate(arrivals),
        latency=Latency.of([one.milliseconds for one in arrivals]),
        cost=meter.reading,
        checks=[all_answered(answers), *bench.checks(since, requests * BATCH)],
        steps=meter.steps(requests * BATCH),
    )
    return row, _over_time(row, arrivals, meter, chart, max(1.0, seconds / STRETCHES))


def _over_time(row: Row, arrivals: list[Arrival], meter: Meter, chart: str, width: float) -> _Trends:
    """Put the curves on the row, and how their ends compare."""
    moments = seconds_of(arrivals)
    costs = claims(moments, meter)
    slow = p99(arrivals, width)
    memory = [(second, used / 2**20) for second, used in meter.reading.memory_curve]
    row.curves = [
        Curve(f"{chart}: p99 from publish to arrival", "p99", "s", "ms", slow),
        Curve(f"{chart}: the cost of a claim", "claim", "s", "us of the server per delivery", costs),
        Curve(f"{chart}: memory of all programs", "memory", "s", "MiB", memory),
        Curve(f"{chart}: deliveries", "arrivals", "s", "deliveries/s", bucketed(moments, width)),
    ]
    row.notes = [told("a claim", "us", costs), told("p99", "ms", slow), told("memory", "MiB", memory)]
    return _Trends(costs, slow, memory)


def _seconds(row: Row) -> int:
    return row.count // RATE
