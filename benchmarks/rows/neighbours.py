"""Measure endpoints beside a bad neighbour: one that hangs or fails, or another tenant with a backlog."""

from benchmarks.bench import BATCH, SIZE, Bench, Stretch, all_have_status, counted, event_types, latency_of, rate
from benchmarks.result import Check, Result
from benchmarks.wire.messages import api_request

ROUNDS = 25  # per second; in each, every endpoint is sent one event
MARGIN = 0.10  # by which healthy endpoints may be slower beside an unhealthy one
RETRY_PLAN = [1, 1]  # seconds: what fails is dead soon
QUIET_RATE = 25  # events per second of the tenant with one endpoint
ENDED = "SELECT count(*) FROM delivery_delivery WHERE state NOT IN ('pending', 'sending')"


def hanging(bench: Bench) -> Result:
    """Measure 19 endpoints without, then beside one that hangs until its deadline."""
    return _compare(bench, healthy=19, unhealthy=1, kind="h")


def failing(bench: Bench) -> Result:
    """Measure 45 endpoints without, then beside 5 that respond 500."""
    return _compare(bench, healthy=45, unhealthy=5, kind="f")


def _compare(bench: Bench, healthy: int, unhealthy: int, kind: str) -> Result:
    alone = _publish_rounds(bench, healthy, 0, kind)
    bench.system.empty()
    beside = _publish_rounds(bench, healthy, unhealthy, kind)
    before, latency = latency_of(alone.arrivals), latency_of(beside.arrivals)
    is_near = latency.p99 <= before.p99 * (1 + MARGIN) and rate(beside.arrivals) >= rate(alone.arrivals) * (1 - MARGIN)
    return Result(
        len(beside.arrivals),
        rate(beside.arrivals),
        latency,
        beside.cost,
        [*alone.checks, *beside.checks],
        aim=Check("p99 and rate within 10 % of the run without", is_near),
        notes=[f"without: {rate(alone.arrivals):,.0f}/s, p50 {before.p50:.1f} ms, p99 {before.p99:.1f} ms"],
    )


def _publish_rounds(bench: Bench, healthy: int, unhealthy: int, kind: str) -> Stretch:
    """Publish by the clock, then delete the unhealthy endpoints. Return the arrivals at the healthy ones."""
    bench.create_endpoints(healthy)
    if unhealthy:
        bench.create_endpoints(unhealthy, first=healthy, kind=kind, retry_plan=RETRY_PLAN)
    since, rounds = bench.sink.count, ROUNDS * bench.size(4, 30)
    request = bench.system.publish_request(event_types(healthy + unhealthy), SIZE)
    with bench.meter() as meter:
        responses = bench.send([request], rounds, rate=ROUNDS)
    for lane in range(healthy, healthy + unhealthy):
        bench.send([api_request(bench.deployment.api_key, f"endpoints/lane{lane}/", b"", method="DELETE")])
    bench.await_settled()
    arrivals = [arrival for arrival in bench.sink.arrivals(since) if arrival.lane < healthy]
    expected, ended = rounds * healthy, bench.system.number(ENDED)
    checks = [
        all_have_status(responses),
        counted("every healthy delivery arrived once", len(arrivals), expected),
        counted("every delivery has ended", ended, rounds * (healthy + unhealthy)),
        *bench.checks(since, expected)[1:],  # failed deliveries arrive more than once
    ]
    return Stretch(responses, arrivals, meter.cost, checks)


def crowd(bench: Bench) -> Result:
    """Publish by the clock for a tenant with one endpoint while a backlog of another tenant is drained."""
    lanes, count, events = bench.size(1_000, 10_000), bench.size(30_000, 100_000), QUIET_RATE * bench.size(2, 6)
    bench.create_endpoints(lanes)
    bench.system.suspend()
    responses = bench.send(bench.batches(event_types(lanes)), count // BATCH)
    since, api_key = bench.sink.count, bench.deployment.create_tenant("quiet")
    bench.create_endpoints(1, first=lanes, api_key=api_key)
    with bench.meter() as meter:
        bench.system.resume()
        request = bench.system.publish_request([f"bench.lane{lanes}"], SIZE, api_key)
        responses += bench.send([request], events, rate=QUIET_RATE)
        pending = bench.pending()
        bench.await_settled()
    arrivals = bench.sink.arrivals(since)
    quiet = [arrival for arrival in arrivals if arrival.lane == lanes]
    checks = [
        all_have_status(responses),
        Check("the backlog lasted longer than the events of the quiet tenant", pending > 0, f"{pending} pending"),
        counted("every event of the quiet tenant arrived", len(quiet), events),
    ]
    return Result(len(arrivals), rate(arrivals), latency_of(quiet), meter.cost, checks)
