"""Publish and deliver at once, from the API's socket to the sink's."""

from benchmarks.bench import BATCH, SIZE, Bench, end_to_end_rate, event_types, latency_of, rate
from benchmarks.result import Check, Result
from benchmarks.wire.messages import publish_one

ENDPOINTS = 100
FAN_OUT = 10
IDLE_RATE = 50  # events per second


def one_to_one(bench: Bench) -> Result:
    """Publish batches as fast as they are accepted, one endpoint for each event."""
    bench.create_endpoints(ENDPOINTS)
    return _publish_batches(bench, event_types(ENDPOINTS), 1, bench.size(10_000, 150_000)).aim_at_least(5_000)


def fan_out(bench: Bench) -> Result:
    """Publish batches as fast as they are accepted, ten endpoints for each event."""
    bench.create_endpoints(FAN_OUT)
    return _publish_batches(bench, ["bench.all"], FAN_OUT, bench.size(2_000, 20_000)).aim_at_least(8_000)


def _publish_batches(bench: Bench, types: list[str], endpoints: int, events: int) -> Result:
    found = bench.publish(bench.batches(types), events // BATCH, events * endpoints)
    return Result(events * endpoints, end_to_end_rate(found), None, found.cost, found.checks)


def single(bench: Bench) -> Result:
    """Publish single events over 32 connections, delivered meanwhile. Latency is that of the response."""
    bench.create_endpoints(ENDPOINTS)
    count = bench.size(2_000, 40_000)
    found = bench.publish(_singles(bench, ENDPOINTS, SIZE), count, count, connections=32)
    per_second = rate(found.responses, min(response.sent for response in found.responses))
    latency = latency_of(found.responses)
    return Result(count, per_second, latency, found.cost, found.checks, "requests").aim_at_least(2_000)


def idle(bench: Bench) -> Result:
    """Publish single events by the clock. Latency is from when an event was due to its arrival."""
    bench.create_endpoints(ENDPOINTS)
    count = IDLE_RATE * bench.size(4, 60)
    found = bench.publish(_singles(bench, ENDPOINTS, SIZE), count, count, rate=IDLE_RATE, connections=8)
    latency = latency_of(found.arrivals)
    aim = Check("p50 15 ms, p99 40 ms", latency.p50 <= 15 and latency.p99 <= 40)
    return Result(count, rate(found.arrivals), latency, found.cost, found.checks, aim=aim)


def megabyte(bench: Bench) -> Result:
    """Publish and deliver events of 1 MB over 4 connections, for 10 endpoints."""
    bench.create_endpoints(10)
    count = bench.size(40, 1_000)
    found = bench.publish(_singles(bench, 10, 1_000_000), count, count)
    return Result(count, end_to_end_rate(found), latency_of(found.arrivals), found.cost, found.checks)


def _singles(bench: Bench, endpoints: int, size: int) -> list[bytes]:
    return [publish_one(bench.deployment.api_key, each, size) for each in event_types(endpoints)]
