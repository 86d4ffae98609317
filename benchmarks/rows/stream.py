"""Rows about publishing and delivering at once, from the API's socket to the sink's."""

from benchmarks.bench import BATCH, SIZE, Bench, all_answered, arrival_rate
from benchmarks.figures import Aim, Latency, Row
from benchmarks.frames import event_type, single
from benchmarks.instruments import Answered, Arrival

__all__ = ["fan_out", "idle", "megabyte", "one_to_one", "publish_single"]

ENDPOINTS = 100
FAN = 10
PUBLISHERS = 8  # connections that publish single events by the clock
EAGER = 32  # those that publish the next as soon as the last is answered
IDLE_RATE = 50  # events per second
LATENCY_SHARE = 0.5  # of the rate that was sustained: latency at the limit would measure the queue, not the work


def one_to_one(bench: Bench) -> Row:
    bench.endpoints(ENDPOINTS)
    row = _streamed(bench, _types(), 1, bench.size(10_000, 150_000))
    row.name, row.title = "one-to-one", "Batch publish to delivered, 1 to 1"
    row.aim = Aim("at least 5,000 events/s", row.rate >= 5_000)
    return row


def fan_out(bench: Bench) -> Row:
    bench.endpoints(FAN)
    row = _streamed(bench, ["bench.all"], FAN, bench.size(2_000, 20_000))
    row.name, row.title = "fan-out", f"Fan-out, 1 to {FAN}"
    row.aim = Aim("at least 8,000 deliveries/s", row.rate >= 8_000)
    return row


def _streamed(bench: Bench, names: list[str], fan: int, count: int) -> Row:
    """As fast as events are taken; then at a part of that rate, by the clock, for the latency."""
    since = bench.sink.count
    with bench.meter() as meter:
        answers = bench.publish(names, count)
        count = len(answers) * BATCH * fan
        bench.await_arrivals(since, count)
        bench.await_settled()
    arrivals = bench.sink.arrivals(since)
    rate = count * 1e9 / (max(one.arrived for one in arrivals) - min(one.sent for one in answers))
    paced, more, paced_answers = _paced(bench, names, fan, rate * LATENCY_SHARE / fan)
    return Row(
        name="",
        title="",
        setting=f"{count // fan:,} events of {SIZE:,} bytes in batches of {BATCH}, {fan} endpoint(s) each;"
        f" latency at {rate * LATENCY_SHARE:,.0f} deliveries/s",
        count=count,
        rate=rate,
        latency=_latency(paced),
        cost=meter.reading,
        checks=[all_answered(answers + paced_answers), *bench.checks(since, count + more)],
        steps=meter.steps(count),
        beside="usual",
    )


def _paced(bench: Bench, names: list[str], fan: int, rate: float) -> tuple[list[Arrival], int, list[Answered]]:
    """Events at this rate for a while: what arrived, how many should have, what the publisher was answered."""
    since = bench.sink.count
    requests = max(10, int(rate / BATCH * bench.size(2, 20)))
    built = bench.batches(bench.in_batches(names))
    load = bench.load(built, count=requests, rate=rate / BATCH, connections=4)
    answers = bench.run(load, "publishing by the clock", requests).answers()
    bench.await_arrivals(since, requests * BATCH * fan)
    bench.await_settled()
    return bench.sink.arrivals(since), requests * BATCH * fan, answers


def publish_single(bench: Bench) -> Row:
    """Each request is one event; it is on disk, with what it owes, before the 202. Deliveries go on meanwhile."""
    bench.endpoints(ENDPOINTS)
    since, count = bench.sink.count, bench.size(2_000, 40_000)
    built = [single(bench.stand.credentials, name, SIZE) for name in _types()]
    with bench.meter() as meter:
        load = bench.load(built, count=count, connections=EAGER)
        answers = bench.run(load, "publishing", count).answers()
        bench.await_arrivals(since, count)
        bench.await_settled()
    rate = _answer_rate(answers)
    return Row(
        name="publish",
        title="Publish single events, durable before 202",
        setting=f"{count:,} events of {SIZE:,} bytes over {EAGER} connections, delivered at the same time;"
        " latency is that of the answer",
        count=count,
        rate=rate,
        unit="requests",
        latency=Latency.of([one.milliseconds for one in answers]),
        cost=meter.reading,
        aim=Aim("at least 2,000 requests/s", rate >= 2_000),
        checks=[all_answered(answers), *bench.checks(since, count)],
        steps=meter.steps(count),
    )


def idle(bench: Bench) -> Row:
    bench.endpoints(ENDPOINTS)
    since, count = bench.sink.count, IDLE_RATE * bench.size(4, 60)
    built = [single(bench.stand.credentials, name, SIZE) for name in _types()]
    with bench.meter() as meter:
        load = bench.load(built, count=count, rate=IDLE_RATE, connections=PUBLISHERS)
        answers = bench.run(load, "publishing by the clock", count).answers()
        bench.await_arrivals(since, count)
        bench.await_settled()
    arrivals = bench.sink.arrivals(since)
    latency = _latency(arrivals)
    return Row(
        name="idle",
        title=f"Latency when idle, {IDLE_RATE} events/s",
        setting=f"{count:,} single events of {SIZE:,} bytes by the clock; from the moment one is due to be published"
        " until it is at the sink",
        count=count,
        rate=arrival_rate(arrivals),
        latency=latency,
        cost=meter.reading,
        aim=Aim("p50 15 ms, p99 40 ms", latency is not None and latency.p50 <= 15 and latency.p99 <= 40),
        checks=[all_answered(answers), *bench.checks(since, count)],
    )


def megabyte(bench: Bench) -> Row:
    bench.endpoints(10)
    since, count, size = bench.sink.count, bench.size(40, 1_000), 1_000_000
    built = [single(bench.stand.credentials, event_type(lane), size) for lane in range(10)]
    with bench.meter() as meter:
        answers = bench.run(bench.load(built, count=count, connections=4), "publishing", count).answers()
        bench.await_arrivals(since, count)
        bench.await_settled()
    arrivals = bench.sink.arrivals(since)
    rate = count * 1e9 / (max(one.arrived for one in arrivals) - min(one.sent for one in answers))
    return Row(
        name="megabyte",
        title="Events of 1 MB, published and delivered",
        setting=f"{count:,} events of {size:,} bytes over 4 connections, 10 endpoints",
        count=count,
        rate=rate,
        latency=_latency(arrivals),
        cost=meter.reading,
        checks=[all_answered(answers), *bench.checks(since, count)],
    )


def _types() -> list[str]:
    return [event_type(lane) for lane in range(ENDPOINTS)]


def _latency(arrivals: list[Arrival]) -> Latency | None:
    return Latency.of([one.milliseconds for one in arrivals])


def _answer_rate(answers: list[Answered]) -> float:
    return len(answers) * 1e9 / max(1, max(one.done for one in answers) - min(one.sent for one in answers))
