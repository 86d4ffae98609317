"""Rows about neighbours: endpoints that are well, beside some that are not, and the same run without those; and one
endpoint of one tenant beside thousands of another's."""

import time
from dataclasses import dataclass

from benchmarks.bench import OWED, SIZE, Bench, all_answered, arrival_rate
from benchmarks.figures import Aim, Check, Latency, Reading, Row
from benchmarks.frames import batch, event_type, single
from benchmarks.instruments import Arrival
from benchmarks.rows.backlog import ACTIVATE, PAUSED_FOR

__all__ = ["crowd", "failing", "hanging"]

ROUNDS = 25  # per second: in each, every endpoint is sent one event
MARGIN = 0.10  # by which the run with bad neighbours may be worse
QUIET_RATE = 25  # events per second of the tenant with one endpoint
RETRIES = [1, 1]  # seconds: what fails is over soon, with its dead letter


@dataclass
class _Run:
    """What became of the well ones."""

    arrivals: list[Arrival]
    latency: Latency
    cost: Reading
    count: int
    checks: list[Check]


def hanging(bench: Bench) -> Row:
    alone = _run(bench, well=19, ill=0, kind="h", seconds=bench.size(4, 30))
    bench.begin_anew()
    beside = _run(bench, well=19, ill=1, kind="h", seconds=bench.size(4, 30))
    row = _row(alone, beside)
    row.name, row.title = "hanging", "19 fast endpoints beside one that hangs 15 s"
    row.setting = f"{ROUNDS} events/s to each; without the one: {_told(alone)}"
    p99_well = beside.latency.p99 <= alone.latency.p99 * (1 + MARGIN)
    rate_well = arrival_rate(beside.arrivals) >= arrival_rate(alone.arrivals) * (1 - MARGIN)
    row.aim = Aim("p99 and rate within 10 % of the run without it", p99_well and rate_well)
    return row


def failing(bench: Bench) -> Row:
    alone = _run(bench, well=45, ill=0, kind="f", seconds=bench.size(4, 30))
    bench.begin_anew()
    beside = _run(bench, well=45, ill=5, kind="f", seconds=bench.size(4, 30))
    row = _row(alone, beside)
    row.name, row.title = "failing", "10 % of the endpoints answer 500"
    row.setting = f"45 endpoints that are well and 5 that are not, {ROUNDS} events/s to each; without: {_told(alone)}"
    return row


def crowd(bench: Bench) -> Row:
    """A tenant with one endpoint publishes by the clock while a backlog of another one is drained."""
    lanes, count = bench.size(1_000, 10_000), bench.size(30_000, 100_000)
    bench.endpoints(lanes, state="paused")
    time.sleep(PAUSED_FOR)
    answers = bench.publish([event_type(lane) for lane in range(lanes)], count)
    since, events = bench.sink.count, QUIET_RATE * bench.size(2, 6)
    with bench.stand.tenant("quiet"):
        bench.endpoints(1, first=lanes)
        frame = single(bench.stand.credentials, event_type(lanes), SIZE)
    with bench.meter() as meter:
        bench.stand.sql(ACTIVATE)
        load = bench.load([frame], count=events, rate=QUIET_RATE, connections=4)
        answers += bench.run(load, "publishing by the clock", events).answers()
        left = bench.stand.number(OWED)
        bench.await_settled()
    arrivals = bench.sink.arrivals(since)
    quiet = [one for one in arrivals if one.lane == lanes]
    latency = Latency.of([one.milliseconds for one in quiet])
    return Row(
        name="crowd",
        title=f"One endpoint of a tenant beside {lanes:,} of another with a backlog",
        setting=f"{QUIET_RATE} events/s of the one; the other is owed {len(arrivals) - len(quiet):,} deliveries,"
        f" {left:,} of them still when the last event of the one was published",
        count=len(arrivals),
        rate=arrival_rate(arrivals),
        latency=latency,
        cost=meter.reading,
        aim=Aim("p99 under a second", latency is not None and latency.p99 < 1_000),
        checks=[
            all_answered(answers),
            Check("the backlog outlasted the events of the one", left > 0, f"{left:,} left"),
            Check("every event of the one arrived", len(quiet) == events, f"{len(quiet)} of {events}"),
        ],
    )


def _run(bench: Bench, *, well: int, ill: int, kind: str, seconds: int) -> _Run:
    """Send for a while; then the ill are healed, so that everything comes to its end."""
    bench.sink.heal(False)
    bench.endpoints(well)
    if ill:
        bench.endpoints(ill, kind=kind, first=well, retry_plan=RETRIES)
    since, rounds = bench.sink.count, ROUNDS * seconds
    frame = batch(bench.stand.credentials, [event_type(lane) for lane in range(well + ill)], SIZE)
    with bench.meter() as meter:
        load = bench.load([frame], count=rounds, rate=ROUNDS, connections=4)
        answers = bench.run(load, "publishing by the clock", rounds).answers()
    bench.sink.heal(True)
    bench.await_settled()
    bench.sink.heal(False)
    fast = [one for one in bench.sink.arrivals(since) if one.lane < well]
    latency = Latency.of([one.milliseconds for one in fast])
    assert latency is not None
    checks = [all_answered(answers), *_checks(bench, since, len(fast), rounds * well, rounds * (well + ill))]
    return _Run(fast, latency, meter.reading, rounds * well, checks)


def _checks(bench: Bench, since: int, fast: int, expected: int, taken: int) -> list[Check]:
    """Those of every row; but what fails is tried again, so only the well ones arrive exactly once."""
    own = [check for check in bench.checks(since, expected) if "arrived once" not in check.what]
    over = bench.stand.number("SELECT count(*) FROM delivery_delivery WHERE state IN ('delivered', 'dead')")
    return [
        Check("every delivery to a well endpoint arrived once", fast == expected, f"{fast} of {expected}"),
        Check("every delivery ended delivered or dead", over == taken, f"{over} of {taken}"),
        *own,
    ]


def _row(alone: _Run, beside: _Run) -> Row:
    return Row(
        name="",
        title="",
        setting="",
        count=beside.count,
        rate=arrival_rate(beside.arrivals),
        latency=beside.latency,
        cost=beside.cost,
        checks=[*alone.checks, *beside.checks],
    )


def _told(run: _Run) -> str:
    return f"{arrival_rate(run.arrivals):,.0f}/s, p50 {run.latency.p50:.1f} ms, p99 {run.latency.p99:.1f} ms"
