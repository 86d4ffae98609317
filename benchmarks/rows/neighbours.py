"""Rows about neighbours: endpoints that are well, beside some that are not, and the same run without those."""

from dataclasses import dataclass

from benchmarks.bench import SIZE, Bench, all_answered, arrival_rate
from benchmarks.figures import Aim, Check, Latency, Reading, Row
from benchmarks.frames import batch, event_type
from benchmarks.instruments import Arrival

__all__ = ["failing", "hanging"]

ROUNDS = 25  # per second: in each, every endpoint is sent one event
MARGIN = 0.10  # by which the run with bad neighbours may be worse
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
    alone = _run(bench, well=19, ill=0, kind="h", seconds=bench.size(6, 30))
    bench.stand.begin_anew()
    beside = _run(bench, well=19, ill=1, kind="h", seconds=bench.size(6, 30))
    row = _row(alone, beside)
    row.name, row.title = "hanging", "19 fast endpoints beside one that hangs 15 s"
    row.setting = f"{ROUNDS} events/s to each; without the one: {_told(alone)}"
    p99_well = beside.latency.p99 <= alone.latency.p99 * (1 + MARGIN)
    rate_well = arrival_rate(beside.arrivals) >= arrival_rate(alone.arrivals) * (1 - MARGIN)
    row.aim = Aim("p99 and rate within 10 % of the run without it", p99_well and rate_well)
    return row


def failing(bench: Bench) -> Row:
    alone = _run(bench, well=45, ill=0, kind="f", seconds=bench.size(6, 30))
    bench.stand.begin_anew()
    beside = _run(bench, well=45, ill=5, kind="f", seconds=bench.size(6, 30))
    row = _row(alone, beside)
    row.name, row.title = "failing", "10 % of the endpoints answer 500"
    row.setting = f"45 endpoints that are well and 5 that are not, {ROUNDS} events/s to each; without: {_told(alone)}"
    return row


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
