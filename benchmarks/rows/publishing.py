"""Publish and deliver at once, from the API's socket to the sink's."""

from benchmarks.bench import BATCH, ENDPOINTS, Bench, end_to_end_rate, event_types, first_request, latency_of, rate
from benchmarks.result import Figure, Result, latency_figures

FAN_OUT = 10
CONNECTIONS = 16  # of publishers of single events
TRICKLE = 50  # events per second


def one_to_one(bench: Bench) -> Result:
    """Publish batches as fast as they are accepted, one endpoint for each event."""
    bench.create_endpoints(ENDPOINTS)
    return _publish_batches(bench, event_types(ENDPOINTS), 1, bench.count(10_000, 100_000))


def hot_endpoint(bench: Bench) -> Result:
    """Publish batches as fast as they are accepted, all for one endpoint."""
    bench.create_endpoints(1)
    return _publish_batches(bench, event_types(1), 1, bench.count(8_000, 20_000))


def fan_out(bench: Bench) -> Result:
    """Publish batches as fast as they are accepted, ten endpoints for each event."""
    bench.create_endpoints(FAN_OUT)
    return _publish_batches(bench, ["bench.all"], FAN_OUT, bench.count(2_000, 10_000))


def _publish_batches(bench: Bench, types: list[str], endpoints: int, events: int) -> Result:
    found = bench.publish(bench.batches(types), events // BATCH, events * endpoints)
    published = BATCH * rate(found.responses, first_request(found.responses))
    more = {"published": Figure(published, "events/s", more_is_better=True)}
    return Result(events * endpoints, end_to_end_rate(found), None, found.cost, found.checks, more=more)


def single(bench: Bench) -> Result:
    """Publish single events over 16 connections, delivered meanwhile. Latency is that of the response."""
    bench.create_endpoints(ENDPOINTS)
    count = bench.count(4_000, 20_000)
    found = bench.publish(bench.singles(event_types(ENDPOINTS)), count, count, connections=CONNECTIONS)
    per_second = rate(found.responses, first_request(found.responses))
    return Result(count, per_second, latency_of(found.responses), found.cost, found.checks, "requests")


def trickle(bench: Bench) -> Result:
    """Publish single events by the clock. Latency is from when an event was due to its arrival."""
    bench.create_endpoints(ENDPOINTS)
    types = event_types(ENDPOINTS)
    bench.warm_up(types)
    since, count = bench.sink.count, TRICKLE * bench.size(8, 60)
    found = bench.publish(bench.singles(types), count, count, rate=TRICKLE, connections=CONNECTIONS)
    checks = [found.checks[0], *bench.checks(since - ENDPOINTS, count + ENDPOINTS)]
    more = latency_figures("response", latency_of(found.responses))
    return Result(count, 0.0, latency_of(found.arrivals), found.cost, checks, more=more)


def megabyte(bench: Bench) -> Result:
    """Publish and deliver events of 1 MB over 4 connections, for 10 endpoints."""
    bench.create_endpoints(10)
    count = bench.size(40, 1_000)
    found = bench.publish(bench.singles(event_types(10), 1_000_000), count, count)
    return Result(count, end_to_end_rate(found), latency_of(found.arrivals), found.cost, found.checks)
